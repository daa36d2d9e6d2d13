"""Downloading an image from a host that may want something else."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import CallRejected, CallTimeout, ConnectionLost, ImageRefused, NotSent
from runtime.http.download import MAX_REDIRECTS, download_image, fetch_image, image_bytes
from runtime.http.public_hosts import refuse_private, resolved
from runtime.products.media import Media
from tests.support.servers.image_host import HERE, HOST, ImageHost, serving_images
from tests.support.servers.images import GIF, JPEG, PNG, WEBP


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImageHost]:
    with serving_images(tmp_path_factory.mktemp("images")) as running:
        yield running


@pytest.fixture
def host(running: ImageHost) -> ImageHost:
    running.asked.clear()
    running.answers.clear()
    running.names = {HOST: [HERE]}
    return running


@pytest.fixture
def media(tmp_path: Path) -> Media:
    return Media(tmp_path, lambda: "http://here", b"key", timedelta(hours=1))


def serve(
    host: ImageHost, path: str = "/1", body: bytes = JPEG, status: int = 200, **headers: Any
) -> str:
    host.answers[path] = (status, {name.replace("_", "-"): v for name, v in headers.items()}, body)
    return host.url(path)


def fetch(host: ImageHost, url: str, **limits: Any) -> bytes:
    return fetch_image(url, host.limits(**limits))


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("body", "suffix"), [(JPEG, ".jpg"), (PNG, ".png"), (GIF, ".gif"), (WEBP, ".webp")]
)
def test_an_image_is_kept_under_a_name_that_its_content_gives_it(
    host: ImageHost, media: Media, tmp_path: Path, body: bytes, suffix: str
) -> None:
    url = serve(host, body=body, Content_Type="image/whatever")
    path = download_image(media, url, host.limits())
    assert path.endswith(suffix)
    assert (tmp_path / path).read_bytes() == body
    assert download_image(media, url, host.limits()) == path
    assert len(files(tmp_path)) == 1
    assert host.asked[0][0] == f"{HOST}:{host.port}"


def test_a_products_image_is_read_from_wherever_it_is(
    host: ImageHost, media: Media, tmp_path: Path
) -> None:
    (tmp_path / "1.png").write_bytes(PNG)
    assert image_bytes(media, "1.png", host.limits()) == PNG
    assert image_bytes(media, serve(host), host.limits()) == JPEG


@pytest.mark.parametrize(
    "url",
    [
        "http://photos.example/1", "ftp://photos.example/1", "file:///etc/passwd", "//x/1", "",
        "https://user:pass@photos.example/1", "https://photos.example:0/1", "https:///1",
        "https://photos.example:99999/1", "https://photos.example/a b", "https://ph\u00f6tos.example/",
        "https://photos.example/1\r\nHost: x",
    ],
)  # fmt: skip
def test_only_plain_https_addresses_are_asked(host: ImageHost, url: str) -> None:
    with pytest.raises(ImageRefused, match="https"):
        fetch(host, url)
    assert host.asked == []


@pytest.mark.parametrize(
    "name", [HERE, "localhost", "127.1", "0x7f000001", "2130706433", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_no_name_of_this_machine_gets_around_the_check(host: ImageHost, name: str) -> None:
    serve(host)
    with pytest.raises((ImageRefused, NotSent)) as raised:
        fetch(host, host.url("/1", name), resolve=resolved, refuse=refuse_private)
    assert isinstance(raised.value, ImageRefused) or "looked up" in str(raised.value)
    assert host.asked == []


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0"])
def test_a_host_of_which_one_address_is_private_is_refused(host: ImageHost, address: str) -> None:
    host.names[HOST] = [HERE, address]
    with pytest.raises(ImageRefused, match="private network"):
        fetch(host, serve(host))
    assert host.asked == []


def test_a_name_that_changes_after_the_check_leads_nowhere_else(host: ImageHost) -> None:
    """The second answer of the resolver, were it asked again, is a private address."""
    answers = [[HERE], ["10.0.0.1"]]
    assert fetch(host, serve(host), resolve=lambda name, port: answers.pop(0)) == JPEG
    assert answers == [["10.0.0.1"]]


def test_the_certificate_must_be_that_of_the_name(host: ImageHost) -> None:
    host.names["other.example"] = [HERE]
    serve(host)
    with pytest.raises(NotSent, match=r"other\.example"):
        fetch(host, host.url("/1", "other.example"))
    with pytest.raises(NotSent, match="certificate"):
        fetch(host, host.url("/1"), trust=ssl.create_default_context)
    assert host.asked == []


class TestRedirects:
    def test_are_followed(self, host: ImageHost) -> None:
        serve(host, "/a", b"", 302, Location="/b")
        serve(host, "/b", b"", 308, Location=host.url("/1"))
        serve(host)
        assert fetch(host, host.url("/a")) == JPEG

    @pytest.mark.parametrize(
        ("location", "why"),
        [
            ("https://inside.example/1", "private network"),
            ("http://photos.example/1", "only plain https"),
            ("file:///etc/passwd", "only plain https"),
            ("https://u:p@photos.example/", "only plain https"),
        ],
    )
    def test_lead_nowhere_that_could_not_be_asked_at_first(
        self, host: ImageHost, location: str, why: str
    ) -> None:
        host.names["inside.example"] = ["192.168.1.1"]
        with pytest.raises(ImageRefused, match=why):
            fetch(host, serve(host, "/a", b"", 302, Location=location))

    def test_end(self, host: ImageHost) -> None:
        with pytest.raises(ImageRefused, match="redirects"):
            fetch(host, serve(host, "/a", b"", 302, Location="/a"))
        assert len(host.asked) == MAX_REDIRECTS + 1


class TestContent:
    def test_that_is_no_image_is_refused_whatever_it_is_called(self, host: ImageHost) -> None:
        with pytest.raises(ImageRefused, match="no image"):
            fetch(host, serve(host, body=b"<html>", Content_Type="image/jpeg"))
        with pytest.raises(ImageRefused, match="text/html"):
            fetch(host, serve(host, Content_Type="text/html"))
        with pytest.raises(ImageRefused, match="no image"):
            fetch(host, serve(host, body=b""))

    def test_that_is_compressed_is_refused(self, host: ImageHost) -> None:
        with pytest.raises(ImageRefused, match="compressed"):
            fetch(host, serve(host, Content_Encoding="gzip"))

    def test_that_is_announced_as_too_large_is_not_read(self, host: ImageHost) -> None:
        with pytest.raises(ImageRefused, match="1,000"):
            fetch(host, serve(host, Content_Length="1000000000"), max_bytes=1_000)

    def test_that_turns_out_too_large_is_read_no_further(self, host: ImageHost) -> None:
        def endless(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.end_headers()
            while True:
                handler.wfile.write(JPEG * 100)

        host.answers["/1"] = endless
        with pytest.raises(ImageRefused, match="more than 100,000"):
            fetch(host, host.url("/1"), max_bytes=100_000)

    def test_that_ends_early_is_not_taken(
        self, host: ImageHost, media: Media, tmp_path: Path
    ) -> None:
        with pytest.raises(ConnectionLost):
            download_image(media, serve(host, Content_Length="1000"), host.limits())
        assert files(tmp_path) == []

    @pytest.mark.parametrize("status", [404, 429, 503])
    def test_an_error_keeps_its_status(self, host: ImageHost, status: int) -> None:
        with pytest.raises(CallRejected) as raised:
            fetch(host, serve(host, status=status))
        assert raised.value.status == status


def trickle_body(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"\xff")
        time.sleep(0.02)


def trickle_head(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.02)


@pytest.mark.parametrize("trickle", [trickle_body, trickle_head])
def test_bytes_that_trickle_in_do_not_prolong_the_time(
    host: ImageHost, trickle: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    host.answers["/1"] = trickle
    begun = time.monotonic()
    with pytest.raises(CallTimeout, match=r"within 0\.3 s"):
        fetch(host, host.url("/1"), time=timedelta(seconds=0.3))
    assert time.monotonic() - begun < 60


def test_a_host_that_does_not_answer_is_not_sent_to(host: ImageHost) -> None:
    with pytest.raises(NotSent, match=HOST):
        fetch(host, f"https://{HOST}:1/1")
    with pytest.raises(NotSent, match="looked up"):
        fetch(host, "https://nowhere.invalid/1", resolve=resolved)


def test_a_name_that_is_looked_up_for_ever_is_not_waited_for(host: ImageHost) -> None:
    over = threading.Event()

    def resolve(name: str, port: int) -> list[str]:
        over.wait(30)
        return ["127.0.0.1"]

    with pytest.raises(CallTimeout, match=r"within 0.2 s"):
        fetch(host, host.url("/1"), resolve=resolve, time=timedelta(seconds=0.2))
    over.set()
