"""The simulated eBay: consent and tokens, over real HTTP."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from plugins.ebay.sandbox import SCOPES, EbaySandbox
from runtime.process.clock import ManualClock
from tests.support.marketplaces.sandboxes import EbayApp, ebay_errors, still_clock

RUNAME = "Example-Runtime-RuName"
READ = "https://api.ebay.com/oauth/api_scope/sell.inventory.readonly"


@pytest.fixture
def clock() -> ManualClock:
    return still_clock()


@pytest.fixture
def ebay(clock: ManualClock) -> Iterator[EbaySandbox]:
    with EbaySandbox(now=clock.now) as running:
        running.oauth.redirect_url = "http://127.0.0.1:9/callback"
        yield running


def consent(ebay: EbaySandbox, **changes: str) -> requests.Response:
    query = {
        "client_id": "ebay-client",
        "redirect_uri": RUNAME,
        "response_type": "code",
        "scope": " ".join(SCOPES),
        "state": "s=1&2",
        **changes,
    }
    return requests.get(
        f"{ebay.url}/oauth2/authorize", params=query, allow_redirects=False, timeout=10
    )


def code_of(answer: requests.Response) -> str:
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def mint(ebay: EbaySandbox, secret: str = "ebay-secret", **form: str) -> requests.Response:
    return requests.post(
        f"{ebay.url}/identity/v1/oauth2/token",
        auth=("ebay-client", secret),
        data=form,
        timeout=60,
    )


def by_code(ebay: EbaySandbox, code: str, redirect_uri: str = RUNAME) -> requests.Response:
    return mint(ebay, grant_type="authorization_code", code=code, redirect_uri=redirect_uri)


def by_refresh(ebay: EbaySandbox, token: str, **form: str) -> requests.Response:
    return mint(ebay, grant_type="refresh_token", refresh_token=token, **form)


def error_of(answer: requests.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()["error"]


def status_with(ebay: EbaySandbox, token: str) -> int:
    app = EbayApp(ebay)
    app.token = token
    return app.inventory("GET", "/inventory_item").status_code


def test_consent_leads_back_with_a_code_and_the_state(ebay: EbaySandbox) -> None:
    answer = consent(ebay)
    location = urlsplit(answer.headers["Location"])
    assert answer.status_code == 302
    assert location.netloc == "127.0.0.1:9"
    assert parse_qs(location.query)["state"] == ["s=1&2"]
    tokens = by_code(ebay, code_of(answer)).json()
    assert tokens["expires_in"] == 7_200
    assert tokens["refresh_token_expires_in"] > 40_000_000
    assert tokens["token_type"] == "User Access Token"
    assert status_with(ebay, tokens["access_token"]) == 200


def test_a_code_is_good_once_and_with_its_runame(ebay: EbaySandbox, clock: ManualClock) -> None:
    code = code_of(consent(ebay))
    assert by_code(ebay, code).status_code == 200
    assert error_of(by_code(ebay, code)) == (400, "invalid_grant")
    other = code_of(consent(ebay))
    assert error_of(by_code(ebay, other, "Other-RuName")) == (400, "invalid_grant")
    late = code_of(consent(ebay))
    clock.advance(timedelta(minutes=5))
    assert error_of(by_code(ebay, late)) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes", [{"client_id": "other"}, {"redirect_uri": "other"}, {"scope": "everything"}]
)
def test_a_wrong_consent_request_leads_nowhere(ebay: EbaySandbox, changes: dict[str, str]) -> None:
    answer = consent(ebay, **changes)
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a_seller_can_decline(ebay: EbaySandbox) -> None:
    ebay.oauth.declines = True
    query = parse_qs(urlsplit(consent(ebay).headers["Location"]).query)
    assert query["error"] == ["access_denied"]
    assert "code" not in query


def test_a_refresh_brings_no_refresh_token_and_leaves_the_old_one_good(ebay: EbaySandbox) -> None:
    refresh_token = ebay.connect()["refresh_token"]
    for _ in range(2):
        answer = by_refresh(ebay, refresh_token)
        assert answer.status_code == 200
        assert "refresh_token" not in answer.json()
    assert ebay.oauth.tokens.refreshes == 2


def test_a_refresh_can_only_narrow_the_scopes(ebay: EbaySandbox) -> None:
    code = code_of(consent(ebay, scope=READ))
    refresh_token = by_code(ebay, code).json()["refresh_token"]
    narrow = by_refresh(ebay, refresh_token, scope=READ)
    assert status_with(ebay, narrow.json()["access_token"]) == 200
    wide = by_refresh(ebay, refresh_token, scope=f"{READ} https://api.ebay.com/oauth/api_scope")
    assert error_of(wide) == (400, "invalid_scope")


def test_a_token_opens_only_what_its_scopes_allow(ebay: EbaySandbox) -> None:
    app = EbayApp(ebay)
    app.token = by_code(ebay, code_of(consent(ebay, scope=READ))).json()["access_token"]
    assert app.inventory("GET", "/inventory_item").status_code == 200
    answer = app.put_item("SKU-1")
    assert (answer.status_code, ebay_errors(answer)) == (403, [1100])


def test_the_client_authenticates_with_its_secret(ebay: EbaySandbox) -> None:
    refresh_token = ebay.connect()["refresh_token"]
    wrong = mint(ebay, "guessed", grant_type="refresh_token", refresh_token=refresh_token)
    assert error_of(wrong) == (401, "invalid_client")
    assert ebay.oauth.tokens.refreshes == 0


def test_other_grants_are_unknown(ebay: EbaySandbox) -> None:
    assert error_of(mint(ebay, grant_type="password")) == (400, "unsupported_grant_type")


def test_tokens_expire_with_the_clock(ebay: EbaySandbox, clock: ManualClock) -> None:
    tokens = ebay.connect()
    clock.advance(timedelta(seconds=7_199))
    assert status_with(ebay, tokens["access_token"]) == 200
    clock.advance(timedelta(seconds=1))
    assert status_with(ebay, tokens["access_token"]) == 401
    clock.advance(timedelta(days=547))
    assert error_of(by_refresh(ebay, tokens["refresh_token"])) == (400, "invalid_grant")


def test_a_token_can_be_ended_early_and_a_consent_taken_back(ebay: EbaySandbox) -> None:
    tokens = ebay.connect()
    ebay.oauth.tokens.expire_access()
    assert status_with(ebay, tokens["access_token"]) == 401
    assert by_refresh(ebay, tokens["refresh_token"]).status_code == 200
    ebay.oauth.tokens.revoke()
    assert error_of(by_refresh(ebay, tokens["refresh_token"])) == (400, "invalid_grant")


@pytest.mark.parametrize(("token", "error_id"), [(None, 1002), ("Bearer wrong", 1001)])
def test_without_a_good_token_is_401(ebay: EbaySandbox, token: str | None, error_id: int) -> None:
    answer = EbayApp(ebay).inventory("GET", "/inventory_item", headers={"Authorization": token})
    assert (answer.status_code, ebay_errors(answer)) == (401, [error_id])
