"""The HTTP transport: what is sent, and what comes back, sorted."""

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from runtime.errors import CallFailed, CallRejected, ConnectionLost, InvalidCall, OutcomeUnknown
from runtime.http import transport
from runtime.http.transport import HttpTransport
from runtime.marketplaces.record import Marketplace
from runtime.runs.calls import Failure, HttpCall, Outcome, Success
from runtime.values.json_values import checked_json

TIMEOUT = timedelta(seconds=10)


@pytest.fixture
def shop(httpserver: HTTPServer) -> HttpTransport:
    record = Marketplace(
        "ebay", base_url=httpserver.url_for("/v1/"), default_headers={"x-app": "runtime"}
    )
    return HttpTransport({"ebay": record})


def perform(shop: HttpTransport, method: str, path: str, **call: Any) -> Outcome:
    return shop.perform("ebay", HttpCall(method, path, **call), TIMEOUT)


def error_of(outcome: Outcome, kind: type[Exception]) -> Any:
    assert isinstance(outcome, Failure)
    assert type(outcome.error) is kind, outcome.error
    return outcome.error


# --- what is sent ---------------------------------------------------------------------------


def test_a_request_is_made_as_the_call_says_below_the_base_url(
    shop: HttpTransport, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(
        "/v1/listings",
        method="POST",
        query_string={"draft": "yes"},
        json={"title": "Écharpe"},
        headers={"x-app": "runtime", "Accept-Language": "fr"},
    ).respond_with_json({"id": 5})
    outcome = perform(
        shop, "POST", "/listings", params={"draft": "yes"}, json={"title": "Écharpe"},
        headers={"Accept-Language": "fr"},
    )  # fmt: skip
    assert outcome == Success({"id": 5})


def test_forms_and_files_are_sent(shop: HttpTransport, httpserver: HTTPServer) -> None:
    seen: list[Any] = []

    def note(request: Request) -> Response:
        seen.append((request.form.to_dict(), {n: f.read() for n, f in request.files.items()}))
        return Response("{}")

    httpserver.expect_request("/v1/images").respond_with_handler(note)
    perform(shop, "POST", "images", form={"state": "active"})
    perform(shop, "POST", "images", form={"rank": "1"}, files={"image": ("a.jpg", b"jpeg")})
    assert seen == [({"state": "active"}, {}), ({"rank": "1"}, {"image": b"jpeg"})]


@pytest.mark.parametrize(
    "path", ["https://evil.example/x", "http://localhost:1/v1/x", "mailto:x", "ftp://x"]
)
def test_a_path_does_not_lead_away_from_the_marketplace(shop: HttpTransport, path: str) -> None:
    error = error_of(perform(shop, "GET", path), InvalidCall)
    assert str(error).startswith(f"{path!r} leads away from ")


def test_a_path_that_looks_like_another_host_stays_below_the_base_url(
    shop: HttpTransport, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/v1/evil.example/x").respond_with_json("here")
    assert perform(shop, "GET", "//evil.example/x") == Success("here")


def test_a_marketplace_without_a_base_url_is_called_with_absolute_urls(
    httpserver: HTTPServer,
) -> None:
    httpserver.expect_request("/anywhere").respond_with_json(1)
    bare = HttpTransport({"example": Marketplace("example")})
    absolute = HttpCall("GET", httpserver.url_for("/anywhere"))
    assert bare.perform("example", absolute, TIMEOUT) == Success(1)
    assert bare.perform("never heard of", absolute, TIMEOUT) == Success(1)
    relative = bare.perform("example", HttpCall("GET", "/anywhere"), TIMEOUT)
    assert "base_url" in str(error_of(relative, InvalidCall))


@pytest.mark.parametrize(
    "wrong",
    [
        {"json": {"when": object()}},
        {"json": float("nan")},
        {"headers": {"x": "a\r\nb: c"}},
        {"headers": {"x": "雪"}},
        {"headers": {"x": 5}},
        {"files": 5},
    ],
    ids=["object", "nan", "header lines", "header characters", "header number", "files"],
)
def test_a_call_that_cannot_be_carried_out_is_the_handlers_mistake(
    shop: HttpTransport, httpserver: HTTPServer, wrong: dict[str, Any]
) -> None:
    error = error_of(perform(shop, "POST", "/listings", **wrong), InvalidCall)
    assert "POST /listings cannot be sent" in str(error)
    assert httpserver.log == []


def test_nothing_of_the_machine_finds_its_way_into_a_call(
    shop: HttpTransport, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / ".netrc").write_text("machine localhost login me password hunter2")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    httpserver.expect_request("/v1/x").respond_with_handler(
        lambda request: Response(json.dumps(request.headers.get("Authorization")))
    )
    assert perform(shop, "GET", "/x") == Success(None)


def test_what_one_sellers_answer_sets_is_not_sent_with_anothers_call(
    shop: HttpTransport, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/v1/x").respond_with_handler(
        lambda request: Response(
            json.dumps(dict(request.cookies)), headers={"Set-Cookie": "session=seller-7; Path=/"}
        )
    )
    assert perform(shop, "GET", "/x") == Success({})
    assert perform(shop, "GET", "/x") == Success({})


def test_one_call_is_one_request(shop: HttpTransport, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/old").respond_with_data(
        "", 302, {"Location": httpserver.url_for("/v1/new")}
    )
    error = error_of(perform(shop, "POST", "/old"), CallRejected)
    assert error.status == 302
    assert len(httpserver.log) == 1


def test_threads_share_the_transport(shop: HttpTransport, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/v1/x").respond_with_json(1)
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(perform(shop, "GET", "/x")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert outcomes == [Success(1)] * 8


# --- what comes back ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "value"),
    [('{"a": [1, null]}', {"a": [1, None]}), ("[]", []), ("null", None), ("", None), ('"x"', "x")],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_is_json_or_nothing(
    shop: HttpTransport, httpserver: HTTPServer, method: str, body: str, value: Any
) -> None:
    httpserver.expect_request("/v1/x").respond_with_data(body, 200)
    assert perform(shop, method, "/x") == Success(value)


def test_an_answer_without_content_is_no_failure(
    shop: HttpTransport, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/v1/x", method="DELETE").respond_with_data("", 204)
    assert perform(shop, "DELETE", "/x") == Success(None)


@pytest.mark.parametrize("status", [304, 400, 401, 403, 404, 409, 422, 429])
@pytest.mark.parametrize(("method", "writes"), [("GET", False), ("POST", True)])
def test_a_request_that_is_refused_is_rejected_in_the_marketplaces_words(
    shop: HttpTransport, httpserver: HTTPServer, method: str, writes: bool, status: int
) -> None:
    httpserver.expect_request("/v1/x").respond_with_data('{"error": "title too long"}', status)
    error = error_of(perform(shop, method, "/x"), CallRejected)
    assert (error.status, error.writes) == (status, writes)
    if status != 304:
        assert str(error) == f'{method} /x answered {status}: {{"error": "title too long"}}'


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_5xx_leaves_the_outcome_of_a_write_unknown_and_rejects_a_read(
    shop: HttpTransport, httpserver: HTTPServer, status: int
) -> None:
    httpserver.expect_request("/v1/x").respond_with_data("oh no", status)
    write = error_of(perform(shop, "POST", "/x"), OutcomeUnknown)
    assert (write.status, write.writes) == (status, True)
    read = error_of(perform(shop, "GET", "/x"), CallRejected)
    assert (read.status, read.writes) == (status, False)


@pytest.mark.parametrize(
    "body", ["<html>", '{"a": 1', b"\xff\xfe\xfa", "[" * 100_000, "1" * 5_000],
    ids=["html", "cut", "bytes", "deep", "long number"],
)  # fmt: skip
def test_an_unreadable_answer_leaves_the_outcome_of_a_write_unknown(
    shop: HttpTransport, httpserver: HTTPServer, body: str | bytes
) -> None:
    httpserver.expect_request("/v1/x").respond_with_data(body, 200)
    write = error_of(perform(shop, "POST", "/x"), OutcomeUnknown)
    assert write.writes
    assert "something that is not JSON" in str(write)
    assert len(str(write)) < 1_000
    read = error_of(perform(shop, "GET", "/x"), CallRejected)
    assert read.status is None


def test_an_answer_that_cannot_be_unpacked_is_a_lost_one(
    shop: HttpTransport, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/v1/x").respond_with_data(
        "not gzip", 200, {"Content-Encoding": "gzip"}
    )
    assert error_of(perform(shop, "POST", "/x"), ConnectionLost).writes


def test_an_answer_that_is_too_large_is_not_read_to_its_end(
    shop: HttpTransport, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_BYTES", 100_000)
    httpserver.expect_request("/v1/x").respond_with_data("1" * 200_000, 200)
    error = error_of(perform(shop, "POST", "/x"), ConnectionLost)
    assert "more than 100,000 bytes" in str(error)


def test_no_answer_in_time_leaves_the_outcome_of_a_write_unknown(
    shop: HttpTransport, httpserver: HTTPServer
) -> None:
    answered = threading.Event()
    httpserver.expect_request("/v1/x").respond_with_handler(
        lambda request: Response("{}") if answered.wait(30) else Response("late", 500)
    )
    outcome = shop.perform("ebay", HttpCall("POST", "/x"), timedelta(seconds=0.1))
    answered.set()
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.error, CallFailed)
    assert str(outcome.error) == "POST /x: no answer after 0.1s"
    assert outcome.error.writes


@pytest.mark.parametrize("secret", ["s3cr3t\n", "s3cr3t\r\nX: y", "s3cr3t…"])
def test_a_credential_that_no_header_may_hold_is_not_told(
    httpserver: HTTPServer, secret: str
) -> None:
    known = Marketplace(
        "example", base_url=httpserver.url_for("/"), default_headers={"x-api-key": f"k:{secret}"}
    )
    call = HttpCall("GET", "/x")
    outcome = HttpTransport({"example": known}).perform("example", call, timedelta(seconds=5))
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.error, InvalidCall)
    assert "s3cr3t" not in str(outcome.error)
    assert "s3cr3t" not in repr(known)


# --- answers that no journal could keep -----------------------------------------------------


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"title": "a\\u0000b"}', {"title": "a\ufffdb"}),
        (b'{"title": "\\ud83d"}', {"title": "?"}),
        (b'{"title": "\xed\xa0\xbd"}', {"title": "?"}),
        ('{"title": "\\u0000"}'.encode("utf-16"), {"title": "\ufffd"}),
        (b'{"title": "\\ud83d\\ude00", "price": 1.5}', {"title": "\U0001f600", "price": 1.5}),
    ],
)
def test_text_that_cannot_be_stored_is_repaired(
    shop: HttpTransport, httpserver: HTTPServer, body: bytes, value: Any
) -> None:
    httpserver.expect_request("/v1/x").respond_with_data(body)
    outcome = perform(shop, "POST", "/x", json={})
    assert outcome == Success(value)
    assert checked_json(value, "the result of a step") == value


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400"])
def test_a_number_that_is_no_number_is_no_answer(
    shop: HttpTransport, httpserver: HTTPServer, number: str
) -> None:
    httpserver.expect_request("/v1/x").respond_with_data(f'{{"id": 5, "price": {number}}}')
    error_of(perform(shop, "POST", "/x", json={}), OutcomeUnknown)
    error_of(perform(shop, "GET", "/x"), CallRejected)
