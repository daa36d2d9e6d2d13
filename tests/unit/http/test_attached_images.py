"""Images that go with a request: read as it leaves, and nothing leaves without them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from runtime.errors import CallRejected, CallTimeout, ConnectionLost, ImageRefused, NotSent
from runtime.errors.root import MarketplaceRuntimeError
from runtime.http.attached_images import OpenImage, image_opener
from runtime.http.transport import HttpTransport
from runtime.marketplaces.record import Marketplace
from runtime.products.media import Media
from runtime.runs.calls import Failure, HttpCall, ImageFile, Success
from tests.support.servers.images import GIF, JPEG, PNG

CALL = HttpCall("POST", "images", form={"rank": "1"}, files={"image": ImageFile("a/1.jpg")})


@pytest.fixture
def seen(httpserver: HTTPServer) -> list[Any]:
    """The parts that arrive: the form, and name, type and bytes of the image."""
    requests = []

    def answer(request: Request) -> Response:
        image = request.files["image"]
        described = image.filename, image.content_type, image.read()
        requests.append((request.form.to_dict(), *described))
        return Response("{}", content_type="application/json")

    httpserver.expect_request("/images").respond_with_handler(answer)
    return requests


def perform(httpserver: HTTPServer, open_image: OpenImage) -> Failure | Success:
    record = Marketplace("etsy", base_url=httpserver.url_for(""))
    transport = HttpTransport({"etsy": record}, open_image)
    return transport.perform("etsy", CALL, timedelta(seconds=5))


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (JPEG, "image.jpg", "image/jpeg"),
        (PNG, "image.png", "image/png"),
        (GIF, "image.gif", "image/gif"),
    ],
    ids=["jpeg", "png", "gif"],
)
def test_an_image_is_sent_as_what_its_bytes_say(
    httpserver: HTTPServer, seen: list[Any], tmp_path: Path, content: bytes, name: str, kind: str
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.jpg").write_bytes(content)
    media = Media(tmp_path, lambda: "http://here", b"key", timedelta(hours=1))
    assert isinstance(perform(httpserver, image_opener(media)), Success)
    assert seen == [({"rank": "1"}, name, kind, content)]


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (ImageRefused("it is not in the media directory"), ImageRefused),
        (CallRejected("https://img.example/1.jpg answered 404", status=404), ImageRefused),
        (CallRejected("https://img.example/1.jpg answered 503", status=503), NotSent),
        (NotSent("no such host"), NotSent),
        (CallTimeout("not downloaded within 8 s"), NotSent),
        (ConnectionLost("it broke"), NotSent),
    ],
    ids=["missing", "404", "503", "no host", "slow", "broken"],
)
def test_nothing_is_sent_without_its_image(
    httpserver: HTTPServer,
    seen: list[Any],
    problem: MarketplaceRuntimeError,
    expected: type[NotSent | ImageRefused],
) -> None:
    def fail(_image: str) -> bytes:
        raise problem

    outcome = perform(httpserver, fail)
    assert isinstance(outcome, Failure)
    assert type(outcome.error) is expected
    assert str(problem) in str(outcome.error)
    assert seen == []
