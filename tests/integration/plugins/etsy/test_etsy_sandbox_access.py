"""The simulated Etsy: consent, keys, tokens and limits, over real HTTP."""

import base64
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from plugins.etsy.sandbox import EtsySandbox
from runtime.process.clock import ManualClock
from tests.support.marketplaces.sandboxes import EtsyApp, still_clock

CALLBACK = "http://127.0.0.1:9/callback"
VERIFIER = "v" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
TELLING = ("x-limit-per-second", "x-remaining-this-second", "x-limit-per-day", "x-remaining-today")


@pytest.fixture
def clock() -> ManualClock:
    return still_clock()


@pytest.fixture
def etsy(clock: ManualClock) -> Iterator[EtsySandbox]:
    with EtsySandbox(now=clock.now) as running:
        yield running


@pytest.fixture
def app(etsy: EtsySandbox) -> EtsyApp:
    return EtsyApp(etsy)


def consent(etsy: EtsySandbox, **changes: str) -> requests.Response:
    query = {
        "client_id": "etsy-keystring",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "listings_r shops_r",
        "state": "s=1&2",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return requests.get(
        f"{etsy.url}/oauth/connect", params=query, allow_redirects=False, timeout=10
    )


def mint(etsy: EtsySandbox, **form: str) -> requests.Response:
    return requests.post(
        f"{etsy.url}/v3/public/oauth/token",
        data={"client_id": "etsy-keystring", **form},
        timeout=60,
    )


def by_code(etsy: EtsySandbox, **changes: str) -> requests.Response:
    location = urlsplit(consent(etsy).headers["Location"])
    form = {
        "grant_type": "authorization_code",
        "redirect_uri": CALLBACK,
        "code": parse_qs(location.query)["code"][0],
        "code_verifier": VERIFIER,
    }
    return mint(etsy, **form | changes)


def by_refresh(etsy: EtsySandbox, token: str) -> requests.Response:
    return mint(etsy, grant_type="refresh_token", refresh_token=token)


def error_of(answer: requests.Response) -> tuple[int, str]:
    assert set(answer.json()) == {"error", "error_description"}
    return answer.status_code, answer.json()["error"]


# --- consent and tokens ---------------------------------------------------------------------


def test_consent_leads_back_with_a_code_and_the_state(etsy: EtsySandbox, app: EtsyApp) -> None:
    query = parse_qs(urlsplit(consent(etsy).headers["Location"]).query)
    assert query["state"] == ["s=1&2"]
    tokens = by_code(etsy).json()
    assert tokens["expires_in"] == 3_600
    assert tokens["access_token"].startswith(f"{etsy.user_id}.")
    app.token = tokens["access_token"]
    assert app.call("GET", "/users/me").status_code == 200
    assert app.shop("GET", "/receipts").status_code == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": ""},
        {"code": "guessed"},
        {"redirect_uri": "http://127.0.0.1:9/other"},
    ],
)
def test_a_code_is_good_only_with_what_it_was_asked_with(
    etsy: EtsySandbox, changes: dict[str, str]
) -> None:
    assert error_of(by_code(etsy, **changes)) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge_method": "plain"},
        {"code_challenge": ""},
        {"state": ""},
        {"client_id": "other"},
        {"scope": "everything"},
        {"redirect_uri": "http://elsewhere.example.com"},
    ],
)
def test_a_wrong_consent_request_leads_nowhere(etsy: EtsySandbox, changes: dict[str, str]) -> None:
    etsy.oauth.redirect_urls = {CALLBACK}
    answer = consent(etsy, **changes)
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a_seller_can_decline(etsy: EtsySandbox) -> None:
    etsy.oauth.declines = True
    query = parse_qs(urlsplit(consent(etsy).headers["Location"]).query)
    assert query["error"] == ["access_denied"]
    assert "code" not in query


def test_a_refresh_token_is_dead_after_use(etsy: EtsySandbox) -> None:
    first = etsy.connect()["refresh_token"]
    second = by_refresh(etsy, first).json()["refresh_token"]
    assert second != first
    assert error_of(by_refresh(etsy, first)) == (400, "invalid_grant")
    assert by_refresh(etsy, second).status_code == 200
    assert etsy.oauth.tokens.refreshes == 2


def test_tokens_expire_with_the_clock(etsy: EtsySandbox, clock: ManualClock, app: EtsyApp) -> None:
    tokens = etsy.connect()
    app.token = tokens["access_token"]
    clock.advance(timedelta(seconds=3_599))
    assert app.call("GET", "/users/me").status_code == 200
    clock.advance(timedelta(seconds=1))
    assert error_of(app.call("GET", "/users/me")) == (401, "invalid_token")
    clock.advance(timedelta(days=90))
    assert error_of(by_refresh(etsy, tokens["refresh_token"])) == (400, "invalid_grant")


def test_a_consent_can_be_taken_back(etsy: EtsySandbox, app: EtsyApp) -> None:
    tokens = etsy.connect()
    etsy.oauth.tokens.revoke()
    assert error_of(app.call("GET", "/users/me")) == (401, "invalid_token")
    assert error_of(by_refresh(etsy, tokens["refresh_token"])) == (400, "invalid_grant")


def test_the_token_endpoint_knows_its_client_and_grants(etsy: EtsySandbox) -> None:
    assert error_of(mint(etsy, client_id="other")) == (401, "invalid_client")
    assert error_of(mint(etsy, grant_type="password")) == (400, "unsupported_grant_type")


# --- keys and tokens on every call ----------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "status"),
    [
        (None, 401),
        ("other:etsy-secret", 401),
        ("etsy-keystring", 403),
        ("etsy-keystring:guessed", 403),
    ],
)
def test_key_and_shared_secret_are_checked(app: EtsyApp, key: str | None, status: int) -> None:
    for path in ("/users/me", "/openapi-ping"):
        answer = app.call("GET", path, headers={"x-api-key": key})
        assert answer.status_code == status
        assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("token", [None, "Bearer secret", "Bearer 7001.guessed", "Basic 7001.x"])
def test_without_a_good_token_is_401(app: EtsyApp, token: str | None) -> None:
    answer = app.call("GET", "/users/me", headers={"Authorization": token})
    assert error_of(answer) == (401, "invalid_token")
    # Public operations want the key alone.
    answer = app.call("GET", "/openapi-ping", headers={"Authorization": token})
    assert answer.status_code == 200


# --- limits ---------------------------------------------------------------------------------


def test_every_answer_tells_of_the_limits(etsy: EtsySandbox, app: EtsyApp) -> None:
    etsy.limits.per_second.limit, etsy.limits.per_day.limit = 5, 100
    for answer in (app.call("GET", "/users/me"), app.call("GET", "/listings/1")):
        assert [answer.headers[name] for name in TELLING[::2]] == ["5", "100"]
    assert [answer.headers[name] for name in TELLING[1::2]] == ["3", "98"]


@pytest.mark.parametrize("tells", [True, False])
def test_beyond_the_limit_of_a_second_is_429(
    etsy: EtsySandbox, clock: ManualClock, app: EtsyApp, *, tells: bool
) -> None:
    etsy.limits.per_second.limit, etsy.limits.tells_when = 2, tells
    assert [app.call("GET", "/users/me").status_code for _ in range(2)] == [200, 200]
    answer = app.call("GET", "/users/me")
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == ("1" if tells else None)
    assert answer.headers["x-remaining-this-second"] == "0"
    clock.advance(timedelta(seconds=1))
    assert app.call("GET", "/users/me").status_code == 200


def test_the_limit_of_a_day_rolls(etsy: EtsySandbox, clock: ManualClock, app: EtsyApp) -> None:
    etsy.limits.per_day.limit = 2
    app.call("GET", "/users/me")
    clock.advance(timedelta(hours=12))
    app.token = etsy.connect()["access_token"]
    app.call("GET", "/users/me")
    answer = app.call("GET", "/users/me")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "43200")
    clock.advance(timedelta(hours=12))
    app.token = etsy.connect()["access_token"]
    assert app.call("GET", "/users/me").status_code == 200
    assert app.call("GET", "/users/me").status_code == 429
