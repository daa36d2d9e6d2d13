"""A marketplace repeats what it was sent, and nothing of that is told on."""

import base64
import json
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from runtime.answers.error_answers import Refusal
from runtime.errors import ConsentDeclined, ConsentRefused, NotSent
from runtime.http.transport import HttpTransport
from runtime.marketplaces.credentials import Credentials
from runtime.marketplaces.record import Marketplace
from runtime.runs.calls import Failure, HttpCall, Outcome, Success
from runtime.shops.oauth import GrantEnded, application_token, ask_consent, refresh, trade_code
from runtime.shops.oauth import code_of as code_in
from tests.support.servers.token_server import TokenServer

TOKEN = "v1.kAbF3/q+Zp0=Xw7u"
KEY, SHARED = "keystring-91a7", "shared-c0ffee55"
NOW = datetime(2026, 1, 9, tzinfo=UTC)
BACK = "http://127.0.0.1:1/callback"

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent": lambda text: quote(text, safe=""),
    "JSON": lambda text: json.dumps(text).replace("/", "\\/"),
    "base64": lambda text: base64.b64encode(f"Bearer {text}".encode()).decode(),
}


def betrayed(text: str) -> list[str]:
    """The secrets that a reader of the text could find, whatever their spelling."""
    seen = text + "".join(
        base64.b64decode(run + "=" * (-len(run) % 4)).decode("latin-1")
        for run in re.findall(r"[A-Za-z0-9+/]{12,}", text)
        if len(run) % 4 != 1
    )
    wanted = {spell(one) for one in (TOKEN, KEY, SHARED) for spell in SPELLINGS.values()}
    return sorted(one for one in wanted if one.strip('"') in seen)


def asked(base_url: str, method: str = "POST") -> Outcome:
    known = Marketplace(
        "etsy",
        base_url=base_url,
        default_headers={"x-api-key": f"{KEY}:{SHARED}"},
        read_refusal=lambda status, body: Refusal(body["m"], body["m"], {"said": body["m"]}),
    )
    call = HttpCall(
        method, "/x", params={"api_key": KEY}, headers={"Authorization": f"Bearer {TOKEN}"}
    )
    return HttpTransport({"etsy": known}).perform("etsy", call, timedelta(seconds=30))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 500])
@pytest.mark.parametrize("as_json", [True, False])
def test_no_error_and_no_value_repeats_what_was_sent(
    httpserver: HTTPServer, spelling: str, status: int, as_json: bool
) -> None:
    def echo(request: Request) -> Response:
        spell = SPELLINGS[spelling]
        sent = [
            request.headers["Authorization"].split()[1],
            *request.headers["x-api-key"].split(":"),
        ]
        words = " and ".join(map(spell, sent))
        body = json.dumps({"m": words}) if as_json else f"<p>{words}</p>"
        headers = {"X-Echo": words, "Location": f"/?{words}"}
        return Response(body, status, headers, content_type="application/json")

    httpserver.expect_request("/x").respond_with_handler(echo)
    outcome = asked(httpserver.url_for("/"))
    told = [repr(outcome)]
    if isinstance(outcome, Failure):
        told += [str(outcome.error), repr(vars(outcome.error))]
    assert betrayed("\n".join(told)) == []
    assert "[redacted]" in told[0]
    if as_json and status == 200:
        assert isinstance(outcome, Success)
        assert outcome.value["m"].count("[redacted]") >= 3


@pytest.mark.parametrize(
    "answer",
    ["HTTP/1.1 abc {}\r\n\r\n", "{}\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{}"],
)
def test_a_connection_that_breaks_with_an_echo_tells_nothing(answer: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer.format(f"{TOKEN} {KEY} {SHARED}").encode())

        thread = threading.Thread(target=serve)
        thread.start()
        outcome = asked(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join(30)
    assert isinstance(outcome, Failure)
    assert betrayed(str(outcome.error)) == []


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("error", ["invalid_grant", "server_error", "the form"])
@pytest.mark.parametrize("in_header", [True, False])
def test_a_token_endpoint_that_repeats_its_request_betrays_nothing(
    httpserver: HTTPServer, spelling: str, error: str, in_header: bool
) -> None:
    seen: list[str] = []

    def echo(request: Request) -> Response:
        header = request.headers.get("Authorization", "")
        sent = [
            value for name, value in request.form.items()
            if name in {"code", "code_verifier", "refresh_token"}
        ]  # fmt: skip
        if header:
            basic = header.split()[1]
            sent += [basic, base64.b64decode(basic).decode().split(":", 1)[1]]
        seen.extend(sent)
        words = " ".join(map(SPELLINGS[spelling], sent))
        body = {"error": words if error == "the form" else error, "error_description": words}
        return Response(json.dumps(body), 400, content_type="application/json")

    httpserver.expect_request("/echo").respond_with_handler(echo)
    auth = replace(
        TokenServer(httpserver).auth,
        token_url=httpserver.url_for("/echo"),
        client_secret=SHARED,
        secret_in_header=in_header,
    )
    told = []
    kinds = (ConsentRefused, GrantEnded, NotSent)
    with pytest.raises(kinds) as caught:
        trade_code(auth, ask_consent(auth, BACK), "code-7c0de7c0de", NOW)
    told.append(caught.value)
    with pytest.raises(kinds) as caught:
        refresh(auth, Credentials("access", NOW, "refresh-7e57/7e57+"), NOW)
    told.append(caught.value)
    with pytest.raises(kinds) as caught:
        application_token(auth, NOW)
    told.append(caught.value)
    assert len(seen) >= 3
    for one in told:
        text = f"{one} {vars(one)} {getattr(one, 'error_code', '')}"
        for secret in {*seen, "code-7c0de7c0de", "refresh-7e57/7e57+", SHARED}:
            for spell in SPELLINGS.values():
                assert spell(secret).strip('"') not in text


def test_a_consent_that_was_declined_does_not_repeat_its_state(httpserver: HTTPServer) -> None:
    consent = ask_consent(TokenServer(httpserver).auth, BACK)
    with pytest.raises(ConsentDeclined) as caught:
        code_in(
            consent, f"{BACK}?error=no&error_description=for+{consent.state}&state={consent.state}"
        )
    assert consent.state not in str(caught.value)


def test_a_refresh_token_that_stays_the_same_is_kept(httpserver: HTTPServer) -> None:
    tokens = TokenServer(httpserver)
    same = "refresh-0123456789"
    tokens.failures = [(200, {"access_token": "new", "expires_in": 3600, "refresh_token": same})]
    assert refresh(tokens.auth, Credentials("old", NOW, same), NOW).refresh_token == same
