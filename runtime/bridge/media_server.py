"""Serves the media directory to browsers with a signed URL, as a plain WSGI application."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from runtime.bridge.allowed_origins import AllowedOrigins
from runtime.process.config import Settings
from runtime.process.data_directory import media_directory
from runtime.products.image_types import HEAD_BYTES, image_type
from runtime.products.media import Media
from runtime.products.media_urls import PREFIX, media_key, rejection

CHUNK_BYTES = 65_536
_SAFE = [
    # A file that only looks like an image must not run as a page of the bridge's origin.
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("Vary", "Origin"),
]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class MediaServer:
    """Answers GET and HEAD of signed URLs.

    Args:
        origins: the origins of pages whose scripts may read the images.
    """

    def __init__(
        self,
        media: Media,
        key: bytes,
        origins: AllowedOrigins,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._media = media
        self._key = key
        self._origins = origins
        self._now = now

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, as a WSGI application."""
        headers = [*_SAFE, *self._cors(environ)]
        method = environ.get("REQUEST_METHOD", "")
        # WSGI hands bytes over as Latin-1.
        raw_path = environ.get("PATH_INFO", "").encode("latin-1", "replace")
        path = raw_path.decode("utf-8", "surrogateescape")
        if not path.startswith(PREFIX):
            return _plain(start_response, "404 Not Found", headers, "nothing is here")
        if method not in {"GET", "HEAD"}:
            allow = ("Allow", "GET, HEAD")
            return _plain(start_response, "405 Method Not Allowed", [*headers, allow], "read only")
        path = path.removeprefix(PREFIX)
        reason = rejection(path, environ.get("QUERY_STRING", ""), self._key, self._now())
        if reason is not None:
            return _plain(start_response, "403 Forbidden", headers, reason)
        # A signed path is checked again: its file may have been replaced by a link or another file.
        file = self._media.find(path)
        opened = None if file is None else _opened_image(file)
        if opened is None:
            return _plain(start_response, "404 Not Found", headers, "there is no such image")
        stream, kind, size = opened
        headers += [
            ("Content-Type", kind),
            ("Content-Length", str(size)),
            # Private: no cache of others may serve the image after the URL has expired.
            ("Cache-Control", "private, max-age=3600"),
        ]
        start_response("200 OK", headers)
        if method == "HEAD":
            stream.close()
            return []
        return _Chunks(stream)

    def _cors(self, environ: dict[str, Any]) -> list[tuple[str, str]]:
        origin = environ.get("HTTP_ORIGIN")
        if not origin or not self._origins.permits(origin, environ):
            return []
        return [("Access-Control-Allow-Origin", origin)]


def media_of(settings: Settings, secret: str, port: Callable[[], int]) -> tuple[Media, MediaServer]:
    """Return the media directory as it is set up, and the server of its files.

    Args:
        secret: the key that signs bridge tokens; the key of the URLs is derived from it.
        port: returns the port that the server listens on.
    """
    # A key of its own: a signature of a URL must never be valid as that of a token.
    key = media_key(secret)

    def base_url() -> str:
        return settings.media_url or f"http://{_own_host(settings.bridge_host)}:{port()}"

    media = Media(media_directory(settings), base_url, key, settings.media_url_lifetime)
    return media, MediaServer(media, key, AllowedOrigins(settings.bridge_origins))


def _own_host(host: str) -> str:
    """Return the listening host in the form in which browsers of this machine name it."""
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 - compared, not listened on
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


class _Chunks:
    """Yields a file in parts; the server closes it also where it was not read to its end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._stream.read(CHUNK_BYTES):
            yield chunk

    def close(self) -> None:
        """Close the file, as WSGI demands."""
        self._stream.close()


def _opened_image(file: Path) -> tuple[BinaryIO, str, int] | None:
    """Return the file, its content type and its size, or None if it is no image."""
    try:
        stream = file.open("rb")
    except OSError:
        return None
    kind = image_type(stream.read(HEAD_BYTES))
    if kind is None:
        stream.close()
        return None
    size = stream.seek(0, 2)
    stream.seek(0)
    return stream, kind, size


def _plain(
    start_response: StartResponse, status: str, headers: list[tuple[str, str]], text: str
) -> list[bytes]:
    body = text.encode()
    told = ("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))
    start_response(status, [*headers, *told])
    return [body]
