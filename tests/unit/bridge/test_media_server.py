"""The bridge's WSGI application, asked without a bridge."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from wsgiref.util import setup_testing_defaults

import pytest

from runtime.bridge.allowed_origins import AllowedOrigins
from runtime.bridge.media_server import MediaServer
from runtime.products.media import Media
from runtime.products.media_urls import media_key
from tests.support.servers.images import JPEG

NOW = datetime(2026, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = media_key("secret")


class Asked:
    """The answer to one request."""

    def __init__(self, server: MediaServer, url: str, method: str = "GET") -> None:
        parts = urlsplit(url)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method, "PATH_INFO": unquote(parts.path),
            "QUERY_STRING": parts.query,
        }  # fmt: skip
        setup_testing_defaults(environ)
        chunks = server(environ, self._start)
        self.body = b"".join(chunks)
        # A server closes what it was given, as WSGI demands, and with it the file.
        if close := getattr(chunks, "close", None):
            close()

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status = status
        self.headers = dict(headers)


@pytest.fixture
def media(tmp_path: Path) -> Media:
    (tmp_path / "1.jpg").write_bytes(JPEG)
    return Media(tmp_path, lambda: "https://media.example", KEY, HOUR, lambda: NOW)


@pytest.fixture
def server(media: Media) -> MediaServer:
    return MediaServer(media, KEY, AllowedOrigins(()), lambda: NOW)


def test_a_signed_url_gives_the_image(media: Media, server: MediaServer) -> None:
    (url,) = media.urls(["1.jpg"])
    answer = Asked(server, url)
    assert (answer.status, answer.body) == ("200 OK", JPEG)
    assert answer.headers["Content-Type"] == "image/jpeg"
    head = Asked(server, url, "HEAD")
    assert (head.status, head.body) == ("200 OK", b"")
    assert head.headers["Content-Length"] == str(len(JPEG))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/media/1.jpg", "405 Method Not Allowed"),
        ("GET", "/media/1.jpg", "403 Forbidden"),
        ("GET", "/elsewhere", "404 Not Found"),
    ],
)
def test_everything_else_is_refused(
    server: MediaServer, method: str, path: str, status: str
) -> None:
    assert Asked(server, path, method).status == status
