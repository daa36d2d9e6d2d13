"""Logs: one line for one event, console or JSON, and no secret in any."""

from dataclasses import dataclass
from typing import Any

import pytest

from runtime.process.logs import redact
from runtime.runs.calls import HttpCall
from runtime.values.redaction import REDACTED

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl"


def redacted(**event: Any) -> dict[str, Any]:
    return dict(redact(None, "info", event))


@pytest.mark.parametrize(
    "name",
    [
        "token", "access_token", "refreshToken", "RUNTIME_TOKEN_SECRET", "client_secret",
        "password", "passwd", "Authorization", "x-api-key", "api_key", "apikey", "credentials",
        "Cookie", "Set-Cookie",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["hunter2", 12345, ["hunter2"], {"x": "hunter2"}, b"hunter2"])
def test_what_is_named_like_a_secret_is_removed(name: str, value: Any) -> None:
    assert redacted(**{name: value}) == {name: REDACTED}
    assert redacted(request={"headers": [{name: value}]}) == {
        "request": {"headers": [{name: REDACTED}]}
    }


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"token {JWT} expired", "token [redacted] expired"),
        (f"{JWT.rpartition('.')[0]}.", "[redacted]"),
        ("Bearer abc.DEF-123_~+/=", "Bearer [redacted]"),
        ("sent authorization: Basic dXNlcjpwYXNz", "sent authorization: Basic [redacted]"),
        ("postgresql://app:hunter2@db:5432/x", "postgresql://[redacted]@db:5432/x"),
        ("redis://:hunter2@cache", "redis://[redacted]@cache"),
        ("GET /v3?access_token=abc&page=2", "GET /v3?access_token=[redacted]&page=2"),
        ("host=db password=hunter2 port=5432", "host=db password=[redacted] port=5432"),
        ('{"refresh_token": "abc", "page": 2}', '{"refresh_token": "[redacted]", "page": 2}'),
        ("{'Cookie': 'a=b; c=d', 'page': 2}", "{'Cookie': '[redacted]', 'page': 2}"),
    ],
)
def test_what_looks_like_a_secret_is_removed_wherever_it_stands(text: str, left: str) -> None:
    assert redacted(event=text) == {"event": left}
    assert redacted(error=RuntimeError(text)) == {"error": left}
    assert redacted(answer={"rows": [text, (text,)]}) == {"answer": {"rows": [left, [left]]}}


@pytest.mark.parametrize(
    "event",
    [
        {"event": "job ended", "job": 12, "shop": 3, "ok": True, "rate": 0.5, "error": None},
        {"event": "user 7 has no token"},
        {"event": "set RUNTIME_TOKEN_SECRET: it is missing"},
        {"event": "https://example.org:8765/path?page=2"},
        {"event": "listed on the basic plan"},
        {"token": None},
    ],
)
def test_what_is_no_secret_is_left_alone(event: dict[str, Any]) -> None:
    assert redacted(**event) == event


def test_what_a_value_would_show_of_itself_is_looked_through() -> None:
    @dataclass
    class Connection:
        url: str

    call = HttpCall("GET", "/orders", headers={"Authorization": "Bearer abc", "x-api-key": "k:s"})
    shown = redacted(call=call, place=Connection("https://u:hunter2@h"), among={call.path, "x"})
    assert "abc" not in shown["call"]
    assert "k:s" not in shown["call"]
    assert "/orders" in shown["call"]
    assert "hunter2" not in shown["place"]
    assert sorted(shown["among"]) == ["/orders", "x"]


def test_a_long_text_is_looked_through_in_no_time() -> None:
    text = "a" * 2_000_000
    assert redacted(event=text) == {"event": text}
