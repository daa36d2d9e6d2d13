"""The media directory holds the images of products, and gives browsers URLs of them."""

import hashlib
import os
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runtime.errors import ImageRefused
from runtime.products.image_types import HEAD_BYTES, SUFFIXES, image_type
from runtime.products.media_urls import signed_url
from runtime.products.product import checked_image_path, is_image_url

FOLDER = "downloads"
# The whole image is in memory while it is uploaded.
MAX_IMAGE_BYTES = 20_000_000


class Media:
    """The images below one directory.

    Args:
        base_url: returns the base URL of the server of :mod:`runtime.bridge.media_server`.
        key: the key that signs URLs.
        lifetime: the time for which a URL is valid.
    """

    def __init__(
        self,
        directory: Path,
        base_url: Callable[[], str],
        key: bytes,
        lifetime: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._directory = directory.resolve()
        self._base_url = base_url
        self._key = key
        self._lifetime = lifetime
        self._now = now

    def find(self, path: str) -> Path | None:
        """Return the file of a path, or None if it is missing or leads out of the directory."""
        try:
            # Links are followed before the comparison: one that leads out of the directory would
            # let a product name any file of this machine.
            found = (self._directory / checked_image_path(path)).resolve(strict=True)
        except (ValueError, OSError, RuntimeError):  # the last of links that lead in a circle
            return None
        inside = found.is_relative_to(self._directory) and found.is_file()
        return found if inside else None

    def urls(self, images: Sequence[str]) -> list[str]:
        """Return a product's images as a browser can fetch them: paths become signed URLs.

        Raises:
            ImageRefused: one is not in the media directory, or is no image.
        """
        # A URL is made when it is sent and not when the job is created, because it expires.
        return [image if is_image_url(image) else self._url(image) for image in images]

    def types(self, images: Sequence[str]) -> list[str | None]:
        """Return the content types of a product's images; None for those that are elsewhere.

        Raises:
            ImageRefused: one is not in the media directory, or is no image.
        """
        return [None if is_image_url(image) else self._type(image) for image in images]

    def read(self, path: str) -> bytes:
        """Return the bytes of an image in the media directory.

        Raises:
            ImageRefused: the file is missing, is no image, or is too large.
        """
        file = self._existing(path)
        try:
            with file.open("rb") as stream:
                # One byte more than allowed tells a file that is too large, without reading all.
                content = stream.read(MAX_IMAGE_BYTES + 1)
        except OSError as error:
            raise ImageRefused(f"the image {path} cannot be read: {error.strerror}") from None
        if len(content) > MAX_IMAGE_BYTES:
            raise ImageRefused(f"the image {path} has more than {MAX_IMAGE_BYTES:,} bytes")
        if image_type(content[:HEAD_BYTES]) is None:
            raise _no_image(path)
        return content

    def keep(self, content: bytes) -> str:
        """Store an image under a name that its content gives it; returns its path.

        Raises:
            ImageRefused: it is no image.
            OSError: it cannot be written.
        """
        kind = image_type(content[:HEAD_BYTES])
        if kind is None:
            raise ImageRefused("it is no image (JPEG, PNG, GIF or WebP)")
        # The name is made from the content, so that the same image is stored once, and a repeated
        # step writes the same file.
        name = hashlib.sha256(content).hexdigest()
        path = f"{FOLDER}/{name[:2]}/{name}{SUFFIXES[kind]}"
        # Folders by the first two digits keep one folder from holding every image.
        target = self._directory / path
        if not target.is_file():
            _write_whole(target, content)
        return path

    def _url(self, path: str) -> str:
        self._type(path)  # raises for a file that the server would not serve
        return signed_url(self._base_url(), path, self._key, self._now() + self._lifetime)

    def _type(self, path: str) -> str:
        try:
            with self._existing(path).open("rb") as stream:
                kind = image_type(stream.read(HEAD_BYTES))
        except OSError as error:
            raise ImageRefused(f"the image {path} cannot be read: {error.strerror}") from None
        if kind is None:
            raise _no_image(path)
        return kind

    def _existing(self, path: str) -> Path:
        file = self.find(path)
        if file is None:
            raise ImageRefused(
                f"the image {path!r} is not in the media directory: put it there "
                "(RUNTIME_MEDIA_DIR), or correct the product"
            )
        return file


def _no_image(path: str) -> ImageRefused:
    return ImageRefused(
        f"the file {path} is no image (JPEG, PNG, GIF or WebP): replace it, or correct the product"
    )


def _write_whole(target: Path, content: bytes) -> None:
    """Write a file in such a way that nobody sees half of it, not even after a crash."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{secrets.token_hex(8)}.draft")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            # Without it, a crash of the machine could leave an empty file under the final name, and
            # as the name exists it would never be written again.
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
