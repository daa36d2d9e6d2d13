"""Downloads one image from the public internet, although a stranger may have named its address.

The address may come from a seller, a buyer or a marketplace. So only HTTPS and public hosts are
allowed, each redirect is checked like the first address, and size and time are bounded. The
connection goes to the address that was checked: a second look-up of the name could give another.
"""

import http.client
import ssl
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import SplitResult, urljoin, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from runtime.errors import (
    CallFailed,
    CallRejected,
    CallTimeout,
    ConnectionLost,
    ImageRefused,
    NotSent,
)
from runtime.http.deadlines import Deadline, deadline
from runtime.http.pinned_connection import PinnedConnection
from runtime.http.public_hosts import refuse_private, resolved
from runtime.products.image_types import HEAD_BYTES, image_type
from runtime.products.media import MAX_IMAGE_BYTES, Media
from runtime.products.product import is_image_url

MAX_REDIRECTS = 3
TIME_LIMIT = timedelta(seconds=60)
CHUNK_BYTES = 65_536
HTTPS_PORT = 443
_HEADERS = {
    "Accept": "image/jpeg, image/png, image/webp, image/gif",
    "Accept-Encoding": "identity",
    "User-Agent": "marketplace-runtime",
}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Object stores give these types where an image was uploaded without one.
_UNTYPED = frozenset({"", "application/octet-stream", "binary/octet-stream"})


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """The limits that a download keeps to.

    Attributes:
        resolve: returns all addresses of a host and port.
        refuse: raises if one of a host's addresses must not be connected to.
        trust: makes the TLS context, which decides on certificates.
    """

    max_bytes: int = MAX_IMAGE_BYTES
    time: timedelta = TIME_LIMIT
    resolve: Callable[[str, int], list[str]] = resolved
    refuse: Callable[[str, list[str]], None] = refuse_private
    trust: Callable[[], ssl.SSLContext] = field(
        default=lambda: ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    )


DEFAULT_LIMITS = DownloadLimits()


def download_image(media: Media, url: str, limits: DownloadLimits | None = None) -> str:
    """Download an image into the media directory; returns its path there.

    Raises:
        ImageRefused: the address must not be downloaded, or there is no image at it.
        CallRejected: the answer is an error.
        NotSent, CallTimeout, ConnectionLost: the download may work later.
    """
    content = fetch_image(url, limits)
    try:
        return media.keep(content)
    except OSError as error:
        raise NotSent(f"the media directory cannot be written: {error.strerror}") from error


def image_bytes(media: Media, image: str, limits: DownloadLimits | None = None) -> bytes:
    """Return the bytes of a product's image, from the media directory or from its URL.

    Raises:
        ImageRefused: the image must not be downloaded, or is not in the media directory.
        CallFailed: see :func:`download_image`.
    """
    return fetch_image(image, limits) if is_image_url(image) else media.read(image)


def fetch_image(url: str, limits: DownloadLimits | None = None) -> bytes:
    """Return the bytes of the image at a URL.

    Raises:
        ImageRefused, CallFailed: see :func:`download_image`.
    """
    limits = limits or DEFAULT_LIMITS
    with deadline(limits.time) as limit:
        try:
            return _followed(url, limits, limit)
        except Exception as error:
            # When the deadline ends the connection, the error depends on what was being read.
            # So the deadline itself is asked first.
            if limit.is_over or isinstance(error, TimeoutError):
                seconds = limits.time.total_seconds()
                raise CallTimeout(f"{url}: not downloaded within {seconds:g} s") from None
            if isinstance(error, CallFailed | ImageRefused):
                raise
            raise ConnectionLost(f"{url}: the connection broke: {error!r}") from None


def _followed(url: str, limits: DownloadLimits, limit: Deadline) -> bytes:
    for _ in range(MAX_REDIRECTS + 1):
        parts = _checked_url(url)
        with closing(_connected(parts, limits, limit)) as connection:
            target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
            connection.request("GET", target, headers=_HEADERS)
            with connection.getresponse() as answer:
                if answer.status not in _REDIRECTS:
                    return _image(url, answer, limits.max_bytes)
                # The loop checks this address like the first one.
                url = urljoin(url, answer.headers.get("Location", ""))
    raise _refused(url, f"more than {MAX_REDIRECTS} redirects")


def _checked_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    plain = url.isascii() and url.isprintable() and " " not in url
    if not usable or "@" in parts.netloc or not plain:
        raise _refused(url[:200], "only plain https addresses are downloaded")
    return parts


def _connected(parts: SplitResult, limits: DownloadLimits, limit: Deadline) -> PinnedConnection:
    host, port = parts.hostname or "", parts.port or HTTPS_PORT
    # DNS has no time limit of its own.
    addresses = limit.bounded(lambda: limits.resolve(host, port))
    limits.refuse(host, addresses)
    trust = limits.trust()
    problem: Exception | None = None
    for address in addresses:
        connection = PinnedConnection(host, port, address, trust, limit)
        try:
            connection.connect()
        except (OSError, ValueError) as error:
            problem = error
            if limit.is_over:
                break
        else:
            return connection
    raise NotSent(f"cannot connect to {host}: {problem}")


def _image(url: str, answer: http.client.HTTPResponse, max_bytes: int) -> bytes:
    if answer.status != http.HTTPStatus.OK:
        raise CallRejected(f"{url} answered {answer.status}", status=answer.status)
    kind = answer.headers.get_content_type() if "Content-Type" in answer.headers else ""
    if not kind.startswith("image/") and kind not in _UNTYPED:
        raise _refused(url, f"it is {kind}, no image")
    # A small compressed body may unfold to gigabytes.
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _refused(url, "it is compressed, which was not asked for")
    content = _read(url, answer, max_bytes)
    # Servers name types as they like, so the bytes decide.
    if image_type(content[:HEAD_BYTES]) is None:
        raise _refused(url, "it is no image (JPEG, PNG, GIF or WebP), whatever it is called")
    return content


def _read(url: str, answer: http.client.HTTPResponse, max_bytes: int) -> bytes:
    announced = answer.length
    if announced is not None and announced > max_bytes:
        raise _refused(url, f"it has {announced:,} bytes; at most {max_bytes:,} are taken")
    content = bytearray()
    while chunk := answer.read1(CHUNK_BYTES):
        content += chunk
        if len(content) > max_bytes:
            raise _refused(url, f"it has more than {max_bytes:,} bytes")
    # http.client takes a connection that ends early for the end of the body.
    if announced is not None and len(content) < announced:
        raise ConnectionLost(f"{url}: it ended after {len(content):,} of {announced:,} bytes")
    return bytes(content)


def _refused(url: str, reason: str) -> ImageRefused:
    return ImageRefused(f"{url}: {reason}")
