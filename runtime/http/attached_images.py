"""Reads the images of a request on the thread that sends it, just before it leaves.

So neither the journal nor the many jobs that wait for their turn hold images in memory.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from runtime.errors import CallFailed, CallRejected, ImageRefused, InvalidCall, NotSent
from runtime.http.download import DownloadLimits, image_bytes
from runtime.products.image_types import HEAD_BYTES, SUFFIXES, image_type
from runtime.products.media import Media
from runtime.runs.calls import ImageFile

OpenImage = Callable[[str], bytes]
"""Takes an image as it stands in a product and returns its bytes.

It raises ``ImageRefused`` or ``CallFailed``."""

LIMITS = DownloadLimits(time=timedelta(seconds=8))
"""The time limit of 8 s lies well within the lease in which a node may still send a request."""


def image_opener(media: Media) -> OpenImage:
    """Return a function that reads images of the media directory, and downloads all others."""
    return lambda image: image_bytes(media, image, LIMITS)


def no_images(image: str) -> bytes:
    """Raise, because there is no media directory."""
    raise InvalidCall(f"the image {image} cannot be sent: there is no media directory here")


def opened(files: Mapping[str, Any] | None, open_image: OpenImage) -> dict[str, Any] | None:
    """Return the same parts of a multipart body, each image as file name, bytes and content type.

    Raises:
        ImageRefused: an image cannot be used, neither now nor later.
        NotSent: an image may be there later; nothing has left.
    """
    if not files:
        return None
    return {
        field: _part(file.image, open_image) if isinstance(file, ImageFile) else file
        for field, file in files.items()
    }


def _part(image: str, open_image: OpenImage) -> tuple[str, bytes, str]:
    try:
        content = open_image(image)
    except CallRejected as error:
        # Such an answer speaks of the address itself; a server that failed may have the image
        # later.
        if error.status is not None and error.status < 500:
            raise ImageRefused(str(error)) from error
        raise NotSent(str(error)) from error
    except NotSent:
        raise
    except CallFailed as error:
        # The download may have failed in any way, but of the request itself nothing has left.
        raise NotSent(str(error)) from error
    # The bytes and not the name decide, because marketplaces reject a wrong type.
    kind = image_type(content[:HEAD_BYTES]) or "application/octet-stream"
    return f"image{SUFFIXES.get(kind, '')}", content, kind
