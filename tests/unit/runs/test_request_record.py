"""The journal's record of a request is recognisable, small, and without secrets."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.runs.calls import HttpCall, ImageFile, WebSocketCall
from runtime.runs.request_record import MAX_REQUEST_BYTES, request_record
from runtime.values.json_values import checked_json

SECRET = "hunter2"
NAMES = ["access_token", "password", "client_secret", "api_key", "Cookie", "authorization"]


def text_of(call: Any) -> str:
    return json.dumps(request_record(call), ensure_ascii=False)


def test_a_person_recognises_the_request() -> None:
    assert request_record(HttpCall("POST", "/listings", json={"title": "Boots"})) == {
        "method": "POST", "path": "/listings", "json": {"title": "Boots"},
    }  # fmt: skip
    assert request_record(WebSocketCall("PUBLISH", {"sku": "a"})) == {
        "action": "PUBLISH", "payload": {"sku": "a"},
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", ["params", "json", "form", "payload", "deep", "headers"])
def test_no_secret_is_in_it(name: str, where: str) -> None:
    given = {name: SECRET, "title": "Boots"}
    if where == "payload":
        call: Any = WebSocketCall("PUBLISH", given)
    elif where == "deep":
        call = HttpCall("POST", "/x", json={"parts": [{"inner": given}]})
    else:
        parts: dict[str, Any] = {where: given}
        call = HttpCall("POST", "/x", **parts)
    assert SECRET not in text_of(call)


@pytest.mark.parametrize("path", [f"/x?access_token={SECRET}", f"/u:{SECRET}/?password={SECRET}x"])
def test_a_secret_in_a_query_is_not_in_it(path: str) -> None:
    assert f"={SECRET}" not in text_of(HttpCall("GET", path))


def test_of_files_and_headers_nothing_is_kept() -> None:
    call = HttpCall("POST", "/x", files={"image": b"bytes"}, headers={"X-Shop": "5"})
    assert request_record(call) == {"method": "POST", "path": "/x"}


@pytest.mark.parametrize(
    "body", [{"x": "a" * MAX_REQUEST_BYTES}, {"x": float("nan")}, {"x": "a\0b"}, {"x": "\ud800"}]
)
def test_what_cannot_be_kept_is_left_out_by_name(body: Any) -> None:
    record = request_record(HttpCall("POST", "/x", json=body))
    assert (record["method"], record["path"]) == ("POST", "/x")
    assert "the request" in record["left_out"]
    assert "json" not in record


def test_a_secret_is_not_in_a_request_that_was_too_large_either() -> None:
    path = f"/x?token={SECRET}"
    assert SECRET not in text_of(HttpCall("POST", path, json={"x": "a" * MAX_REQUEST_BYTES}))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)


@given(path=st.text(st.characters(codec=None), max_size=300), body=values)
def test_whatever_is_sent_its_record_can_be_stored(path: str, body: Any) -> None:
    record = request_record(HttpCall("POST", path, json=body))
    assert checked_json(record, "the record", max_bytes=MAX_REQUEST_BYTES) == record


def test_an_image_is_kept_by_its_name() -> None:
    call = HttpCall("POST", "/x", files={"image": ImageFile("photos/1.jpg")})
    assert request_record(call)["files"] == {"image": "photos/1.jpg"}


@pytest.mark.parametrize("depth", [300, 800, 50_000])
def test_a_request_that_is_nested_too_deeply_is_known_by_its_name(depth: int) -> None:
    body: list[Any] = []
    for _ in range(depth):
        body = [body]
    record = request_record(HttpCall("POST", "/x", json=body))
    assert (record["method"], record["path"]) == ("POST", "/x")
    assert "nested too deeply" in json.dumps(record)
