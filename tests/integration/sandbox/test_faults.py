"""Faults of a simulated marketplace, as a client sees them, and the state that they leave."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import requests

from plugins.ebay.sandbox import EbaySandbox
from plugins.etsy.sandbox import EtsySandbox
from runtime.errors import CallRejected, ConnectionLost, OutcomeUnknown
from runtime.http.transport import HttpTransport
from runtime.marketplaces.record import Marketplace
from runtime.process.clock import ManualClock
from runtime.runs.calls import Failure, HttpCall, Outcome
from runtime.sandbox import Fault
from tests.support.deadline import wait_until
from tests.support.marketplaces.sandboxes import (
    EbayApp,
    EtsyApp,
    checked_ebay,
    checked_etsy,
    ebay_errors,
    ebay_offer,
    etsy_form,
    still_clock,
)


@pytest.fixture
def clock() -> ManualClock:
    return still_clock()


@pytest.fixture
def ebay(clock: ManualClock) -> Iterator[EbaySandbox]:
    with checked_ebay(clock) as running:
        yield running


@pytest.fixture
def etsy(clock: ManualClock) -> Iterator[EtsySandbox]:
    with checked_etsy(clock) as running:
        yield running


@pytest.fixture
def app(etsy: EtsySandbox) -> EtsyApp:
    return EtsyApp(etsy)


def draft(app: EtsyApp) -> requests.Response:
    return app.shop("POST", "/listings", data=etsy_form())


def through_the_runtime(app: EtsyApp, method: str, **arguments: Any) -> Outcome:
    """Call below the shop as a job's call would."""
    record = Marketplace(
        "etsy",
        base_url=f"{app.etsy.url}/v3/application/shops/{app.etsy.shop_id}/",
        default_headers={
            "x-api-key": "etsy-keystring:etsy-secret",
            "Authorization": f"Bearer {app.token}",
        },
    )
    call = HttpCall(method, "/listings", **arguments)
    return HttpTransport({"etsy": record}).perform("etsy", call, timedelta(seconds=10))


def draft_through_the_runtime(app: EtsyApp) -> Outcome:
    return through_the_runtime(app, "POST", form=etsy_form())


# --- what was done, and what not ------------------------------------------------------------


def test_500_and_nothing_was_done(etsy: EtsySandbox, app: EtsyApp) -> None:
    etsy.faults.plan("createDraftListing", Fault.FAILED)
    answer = draft(app)
    assert (answer.status_code, answer.json()) == (500, {"error": "Server error"})
    assert not etsy.listings
    assert etsy.asked["createDraftListing"] == 1
    assert etsy.done["createDraftListing"] == 0


def test_500_although_it_was_done(etsy: EtsySandbox, app: EtsyApp) -> None:
    etsy.faults.plan("createDraftListing", Fault.DONE_BUT_FAILED)
    assert draft(app).status_code == 500
    assert len(etsy.listings) == etsy.done["createDraftListing"] == 1


@pytest.mark.parametrize(
    ("fault", "done"), [(Fault.REFUSED, 0), (Fault.UNANSWERED, 1), (Fault.CUT_OFF, 1)]
)
def test_a_connection_that_ends(etsy: EtsySandbox, app: EtsyApp, fault: Fault, done: int) -> None:
    etsy.faults.plan("createDraftListing", fault)
    with pytest.raises(
        (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)
    ):
        draft(app)
    assert len(etsy.listings) == done
    assert draft(app).status_code == 201


def test_an_answer_without_a_body_can_be_cut_off_too(etsy: EtsySandbox, app: EtsyApp) -> None:
    listing_id = app.draft()
    etsy.faults.plan("deleteListing", Fault.CUT_OFF)
    with pytest.raises(requests.exceptions.ConnectionError):
        app.call("DELETE", f"/listings/{listing_id}")
    assert not etsy.listings


def test_an_effect_that_comes_late(etsy: EtsySandbox, app: EtsyApp, clock: ManualClock) -> None:
    etsy.faults.plan("createDraftListing", Fault.LATE, lands_after=timedelta(seconds=30))
    with pytest.raises(requests.exceptions.ConnectionError):
        draft(app)
    clock.advance(timedelta(seconds=29))
    drafts = app.shop("GET", "/listings", params={"state": "draft"})
    assert drafts.json()["count"] == 0
    clock.advance(timedelta(seconds=1))
    drafts = app.shop("GET", "/listings", params={"state": "draft"})
    assert drafts.json()["count"] == 1
    assert len(etsy.listings) == etsy.done["createDraftListing"] == 1


@pytest.mark.parametrize("fault", [Fault.NOT_JSON, Fault.OVERSIZED])
def test_an_answer_that_is_no_use(etsy: EtsySandbox, app: EtsyApp, fault: Fault) -> None:
    etsy.faults.plan("createDraftListing", fault, size=100_000)
    answer = draft(app)
    assert answer.ok
    if fault is Fault.NOT_JSON:
        assert answer.headers["Content-Type"] == "text/html"
        assert answer.text.startswith("<!DOCTYPE html>")
    else:
        assert len(answer.content) == 100_000
    assert len(etsy.listings) == 1


def test_an_answer_that_is_slow(etsy: EtsySandbox, app: EtsyApp) -> None:
    etsy.faults.plan("createDraftListing", Fault.SLOW, delay=timedelta(hours=1))
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.post(
            f"{etsy.url}/v3/application/shops/{etsy.shop_id}/listings",
            data=etsy_form(),
            headers={
                "x-api-key": "etsy-keystring:etsy-secret",
                "Authorization": f"Bearer {app.token}",
            },
            timeout=(60, 0.2),
        )
    wait_until(lambda: len(etsy.listings) == 1)
    start = time.monotonic()
    etsy.stop()
    assert time.monotonic() - start < 60


# --- 429 ------------------------------------------------------------------------------------


def test_429_with_and_without_information(etsy: EtsySandbox, app: EtsyApp) -> None:
    told = {"retry-after": "86400", "x-remaining-today": "0"}
    etsy.faults.plan("createDraftListing", Fault.LIMITED, headers=told)
    etsy.faults.plan("createDraftListing", Fault.LIMITED)
    answer = draft(app)
    assert answer.status_code == 429
    assert {name: answer.headers[name] for name in told} == told
    answer = draft(app)
    assert answer.status_code == 429
    assert not [name for name in answer.headers if name.lower().startswith(("x-", "retry"))]
    assert not etsy.listings


def test_ebays_429_and_500_have_its_own_shape(ebay: EbaySandbox) -> None:
    app = EbayApp(ebay)
    ebay.faults.plan("getOffers", Fault.LIMITED)
    ebay.faults.plan("getOffers", Fault.FAILED)
    for status, error_id in ((429, 2001), (500, 25001)):
        answer = app.inventory("GET", "/offer", params={"sku": "SKU-1"})
        assert (answer.status_code, ebay_errors(answer)) == (status, [error_id])


# --- which calls, and how often -------------------------------------------------------------


def test_a_fault_happens_as_often_as_planned_and_to_its_operation(
    etsy: EtsySandbox, app: EtsyApp
) -> None:
    etsy.faults.plan("createDraftListing", Fault.FAILED, times=2, after=1)
    assert app.call("GET", "/users/me").status_code == 200
    assert [draft(app).status_code for _ in range(5)] == [201, 500, 500, 201, 201]


def test_a_fault_for_all_calls_lasts_until_it_is_cleared(etsy: EtsySandbox, app: EtsyApp) -> None:
    etsy.faults.plan("*", Fault.FAILED, times=None)
    assert [draft(app).status_code, app.call("GET", "/users/me").status_code] == [500, 500]
    etsy.faults.clear()
    assert draft(app).status_code == 201


def test_what_is_not_admitted_meets_no_fault(etsy: EtsySandbox, app: EtsyApp) -> None:
    etsy.faults.plan("getMe", Fault.FAILED)
    headers = {"Authorization": "Bearer 7001.guessed"}
    assert app.call("GET", "/users/me", headers=headers).status_code == 401
    assert app.call("GET", "/users/me").status_code == 500


# --- two writers ----------------------------------------------------------------------------


def test_two_writers_of_one_sku_collide(ebay: EbaySandbox) -> None:
    app = EbayApp(ebay)
    app.put_item("SKU-1")
    app.put_item("SKU-2")
    ebay.faults.plan("createOffer", Fault.SLOW, delay=timedelta(hours=1))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(app.inventory, "POST", "/offer", json=ebay_offer("SKU-1"))
        wait_until(lambda: ebay.done["createOffer"])
        answer = app.put_item("SKU-1")
        assert (answer.status_code, ebay_errors(answer)) == (500, [25025])
        (offer_id,) = ebay.offers
        answer = app.inventory("POST", f"/offer/{offer_id}/publish")
        assert (answer.status_code, ebay_errors(answer)) == (500, [25025])
        assert app.put_item("SKU-2").status_code == 204
        assert app.inventory("GET", "/inventory_item/SKU-1").status_code == 200
        # A stop lets go of all that is held back.
        ebay.stop()
        assert slow.result().status_code == 201
    assert not ebay.listings


def test_many_clients_at_once_are_served_one_after_the_other(
    etsy: EtsySandbox, app: EtsyApp
) -> None:
    with ThreadPoolExecutor(20) as pool:
        listing_ids = list(pool.map(lambda _: app.draft(), range(60)))
    assert sorted(etsy.listings) == sorted(set(listing_ids))
    assert len(etsy.listings) == etsy.done["createDraftListing"] == 60


# --- as the runtime's own transport sorts them ----------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.FAILED, OutcomeUnknown),
        (Fault.DONE_BUT_FAILED, OutcomeUnknown),
        (Fault.UNANSWERED, ConnectionLost),
        (Fault.CUT_OFF, ConnectionLost),
        (Fault.NOT_JSON, OutcomeUnknown),
        (Fault.OVERSIZED, ConnectionLost),
        (Fault.LIMITED, CallRejected),
    ],
)
def test_the_runtime_sorts_the_faults_of_a_write(
    etsy: EtsySandbox, app: EtsyApp, fault: Fault, error: type[Exception]
) -> None:
    etsy.faults.plan("createDraftListing", fault)
    outcome = draft_through_the_runtime(app)
    assert isinstance(outcome, Failure)
    assert type(outcome.error) is error
