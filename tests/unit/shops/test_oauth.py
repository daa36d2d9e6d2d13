"""Consent: the address, the answer, the code."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from runtime.errors import ConfigurationError, ConsentRefused, NotSent
from runtime.shops.oauth import ask_consent, code_of, trade_code
from tests.support.servers.token_server import TokenServer

NOW = datetime(2026, 1, 9, tzinfo=UTC)
BACK = "http://127.0.0.1:1/callback"


@pytest.fixture
def tokens(httpserver: HTTPServer) -> TokenServer:
    return TokenServer(httpserver)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_the_address_asks_for_the_scopes_and_proves_who_asks(tokens: TokenServer) -> None:
    consent = ask_consent(tokens.auth, BACK)
    query = query_of(consent.url)
    assert query["scope"] == "read write"
    assert query["redirect_uri"] == BACK
    assert query["state"] == consent.state
    assert consent.verifier is not None
    digest = hashlib.sha256(consent.verifier.encode()).digest()
    assert query["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert query["code_challenge_method"] == "S256"
    assert consent.state not in repr(consent)


def test_two_consents_share_nothing(tokens: TokenServer) -> None:
    one, other = ask_consent(tokens.auth, BACK), ask_consent(tokens.auth, BACK)
    assert one.state != other.state
    assert one.verifier != other.verifier


def test_the_code_is_traded_with_the_verifier(tokens: TokenServer) -> None:
    consent = ask_consent(tokens.auth, BACK)
    code = code_of(consent, f"{BACK}?code=c%2F1&state={consent.state}")
    credentials = trade_code(tokens.auth, consent, code, NOW)
    assert credentials.access_token == "access-1"
    assert credentials.access_expires_at == NOW + timedelta(hours=2)
    assert credentials.refresh_expires_at == NOW + timedelta(days=90)
    assert tokens.forms == [
        {
            "grant_type": "authorization_code", "code": "c/1", "redirect_uri": BACK,
            "code_verifier": consent.verifier, "client_id": "app",
        }
    ]  # fmt: skip
    assert "access-1" not in repr(credentials)


def test_a_marketplace_with_a_name_for_the_redirect_and_basic_credentials(
    tokens: TokenServer,
) -> None:
    auth = replace(tokens.auth, redirect_uri="My-RuName", secret_in_header=True, pkce=False)
    consent = ask_consent(auth)
    assert query_of(consent.url)["redirect_uri"] == "My-RuName"
    trade_code(auth, consent, "c", NOW)
    basic = base64.b64encode(b"app:app-secret").decode()
    assert tokens.headers[0]["Authorization"] == f"Basic {basic}"
    assert "client_id" not in tokens.forms[0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("code=c&state=forged", "state differs"),
        ("code=c", "state differs"),
        ("", "state differs"),
        ("state={state}", "no code"),
        ("error=access_denied&state={state}", "access_denied"),
    ],
)
def test_an_answer_that_does_not_count_is_refused(
    tokens: TokenServer, answer: str, message: str
) -> None:
    consent = ask_consent(tokens.auth, BACK)
    with pytest.raises(ConsentRefused, match=message):
        code_of(consent, f"{BACK}?{answer.format(state=consent.state)}")


def test_a_code_that_was_used_is_refused(tokens: TokenServer) -> None:
    tokens.failures = [(400, {"error": "invalid_grant"})]
    with pytest.raises(ConsentRefused, match="invalid_grant"):
        trade_code(tokens.auth, ask_consent(tokens.auth, BACK), "c", NOW)


def test_an_application_without_credentials_is_told_what_to_set(tokens: TokenServer) -> None:
    with pytest.raises(ConfigurationError, match="RUNTIME_SHOP_CLIENT_ID"):
        ask_consent(replace(tokens.auth, client_id=None), BACK)


def test_a_token_endpoint_that_drips_or_floods_is_not_waited_for(
    tokens: TokenServer, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.shops.oauth.PATIENCE", timedelta(seconds=0.3))
    over = threading.Event()

    def drip() -> Iterator[bytes]:
        while not over.is_set():
            yield b" "
            over.wait(0.02)

    auths = [
        replace(tokens.auth, token_url=httpserver.url_for(path)) for path in ("/drip", "/flood")
    ]
    httpserver.expect_request("/drip").respond_with_handler(lambda _: Response(drip()))
    httpserver.expect_request("/flood").respond_with_data(b'{"access_token": "' + b"x" * 200_000)
    for auth in auths:
        with pytest.raises(NotSent):
            trade_code(auth, ask_consent(auth, BACK), "c", NOW)
    over.set()


@pytest.mark.parametrize("lifetime", [10**12, 10**30, float("inf"), -1, None, "x"])
def test_a_lifetime_beyond_reason_is_none(tokens: TokenServer, lifetime: object) -> None:
    answer = {
        "access_token": "a", "expires_in": lifetime, "refresh_token_expires_in": lifetime,
    }  # fmt: skip
    tokens.failures = [(200, answer)]
    credentials = trade_code(tokens.auth, ask_consent(tokens.auth, BACK), "c", NOW)
    assert NOW < credentials.access_expires_at < NOW + timedelta(days=4_000)


@pytest.mark.parametrize("pasted", ["http://[", "", "?", "http://[?state=x"])
def test_whatever_is_pasted_is_refused_in_words(tokens: TokenServer, pasted: str) -> None:
    with pytest.raises(ConsentRefused):
        code_of(ask_consent(tokens.auth, BACK), pasted)
