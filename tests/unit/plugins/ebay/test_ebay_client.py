"""How eBay's answers are read: errors, pages, items as they are written back."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from plugins.ebay.client import EbayClient
from plugins.ebay.errors import is_gone, read_refusal, warnings_in
from plugins.ebay.inventory import Inventory, merged
from plugins.ebay.listing import listing_row, url_of
from plugins.ebay.offers import Offers, listing_of
from plugins.ebay.terms import language_of
from runtime import BaseJobHandler
from runtime.errors import CallRejected, OutcomeUnknown
from runtime.runs.calls import HttpCall, RunStep, Success
from runtime.runs.execution import End, Execution, Failed, Finished, Perform
from tests.support.handlers.handler_harness import make_job
from tests.support.marketplaces.sandboxes import ebay_offer

EXISTS = {
    "errorId": 25002,
    "message": "A user error has occurred.",
    "longMessage": "Offer entity already exists.",
    "parameters": [{"name": "offerId", "value": "8001"}],
}


JOB = make_job("sync", "ebay")


def answered(
    make: Callable[[EbayClient], Coroutine[Any, Any, Any]], answer: Any
) -> tuple[End | None, HttpCall]:
    """Return the result of a coroutine of one call with that answer, and the call."""
    execution = Execution(lambda: make(EbayClient(BaseJobHandler(JOB), "fr-FR")))
    (perform,) = [one for one in execution.start() if isinstance(one, Perform)]
    assert isinstance(perform.call, HttpCall)
    execution.deliver(perform.call_id, Success(answer))
    return execution.ended, perform.call


# --- errors -----------------------------------------------------------------------------------


def test_all_errors_are_told_in_ebays_words_and_the_first_gives_the_code() -> None:
    other = {"errorId": 25005, "message": "Invalid category.", "parameters": [{"name": "x"}]}
    refusal = read_refusal(400, {"errors": [EXISTS, other]})
    assert refusal is not None
    assert refusal.words == (
        "25002: Offer entity already exists. (offerId=8001); 25005: Invalid category. (x=None)"
    )
    assert (refusal.code, refusal.details, refusal.undone) == ("25002", {"offerId": "8001"}, False)


def test_a_write_that_another_one_kept_out_had_no_effect_and_no_other_500_says_so() -> None:
    for number, undone in ((25025, True), (25001, False)):
        refusal = read_refusal(500, {"errors": [{"errorId": number, "message": "later"}]})
        assert refusal is not None
        assert refusal.undone is undone


@pytest.mark.parametrize("body", [None, [], "no", {}, {"errors": []}, {"errors": "no"}])
def test_what_has_not_ebays_shape_is_left_to_the_runtime(
    body: dict[str, Any] | str | list[Any] | None,
) -> None:
    assert read_refusal(500, body) is None


@pytest.mark.parametrize(
    ("status", "code", "gone"),
    [(404, "25710", True), (404, "25713", True), (400, "25702", True),
     (404, None, False), (404, "2002", False), (400, "25002", False)],
)  # fmt: skip
def test_only_ebays_own_word_means_that_something_is_gone(
    status: int, code: str | None, gone: bool
) -> None:
    assert is_gone(CallRejected("no", status=status, error_code=code)) is gone


def test_warnings_are_told_in_ebays_words() -> None:
    assert warnings_in({"warnings": [{"errorId": 25401, "message": "dropped"}]}) == [
        "25401: dropped"
    ]
    assert warnings_in(None) == []


# --- pages ------------------------------------------------------------------------------------

HERE = "/sell/inventory/v1/inventory_item"


@pytest.mark.parametrize(
    "address",
    [
        f"https://api.ebay.com{HERE}?limit=200&offset=1",
        f"{HERE}?limit=200&offset=1",
        f"https://proxy.example/ebay{HERE}?limit=200&offset=1",
    ],
)
def test_the_next_page_is_asked_for_as_it_is_named_wherever_its_host_is(address: str) -> None:
    answer = {"inventoryItems": [{"sku": "A"}], "next": address, "total": 300}
    end, _ = answered(lambda client: Inventory(client).page(), answer)
    assert isinstance(end, Finished)
    assert end.result.next == f"{HERE}?limit=200&offset=1"
    _, call = answered(lambda client: Inventory(client).page(end.result.next), answer)
    assert (call.path, call.params) == (end.result.next, None)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"inventoryItems": {}},
        {"inventoryItems": ["A"]},
        {"inventoryItems": [], "next": 5},
        {"inventoryItems": [], "next": "https://evil.example/steal"},
        {"inventoryItems": [], "next": HERE},
    ],
)
def test_what_is_no_page_is_a_failure_that_shows_it(
    answer: dict[str, Any] | list[Any] | None,
) -> None:
    end, _ = answered(lambda client: Inventory(client).page(), answer)
    assert isinstance(end, Failed)
    assert isinstance(end.error, CallRejected)
    assert end.error.error_code == "unreadable_answer"


def test_a_write_whose_answer_holds_no_id_may_have_happened() -> None:
    async def publish(client: EbayClient) -> None:
        with pytest.raises(OutcomeUnknown, match="no listingId"):
            await Offers(client).publish("1")

    async def in_a_step(client: EbayClient) -> Any:
        return await RunStep("publish", lambda: publish(client), repeatable=True)

    end, call = answered(in_a_step, {"unexpected": True})
    assert call.path == "/sell/inventory/v1/offer/1/publish"
    assert not isinstance(end, Failed)


# --- what is written back, and stored ---------------------------------------------------------


def test_objects_are_merged_and_all_else_is_replaced() -> None:
    known = {"a": {"b": 1, "c": [1, 2]}, "kept": {"x": 1}}
    assert merged(known, {"a": {"c": [3]}, "kept": 5}) == {"a": {"b": 1, "c": [3]}, "kept": 5}
    assert known == {"a": {"b": 1, "c": [1, 2]}, "kept": {"x": 1}}


def test_what_ebay_tells_but_does_not_take_is_not_written_back() -> None:
    item = {
        "sku": "A", "locale": "fr_FR", "groupIds": ["g"], "inventoryItemGroupKeys": ["k"],
        "unheard_of": 1,
        "availability": {
            "shipToLocationAvailability": {"quantity": 1, "allocationByFormat": {"auction": 0}}
        },
    }  # fmt: skip
    end, _ = answered(lambda client: Inventory(client).find("A"), item)
    assert isinstance(end, Finished)
    assert end.result == {
        "unheard_of": 1,
        "availability": {"shipToLocationAvailability": {"quantity": 1}},
    }


def test_a_sku_is_one_part_of_the_path() -> None:
    _, call = answered(lambda client: Inventory(client).find("A/B ?é"), {})
    assert call.path == f"{HERE}/A%2FB%20%3F%C3%A9"


@pytest.mark.parametrize(
    ("site", "host"),
    [("EBAY_FR", "www.ebay.fr"), ("EBAY_GB", "www.ebay.co.uk"), ("EBAY_US", "www.ebay.com"),
     ("EBAY_NEW_SITE", "www.ebay.com"), (None, "www.ebay.com")],
)  # fmt: skip
def test_a_listing_has_an_address_on_its_site(site: str | None, host: str) -> None:
    assert url_of("110", site) == f"https://{host}/itm/110"


@pytest.mark.parametrize(
    ("settings", "language"),
    [({"marketplace_id": "EBAY_FR"}, "fr-FR"), ({}, "en-US"),
     ({"marketplace_id": "EBAY_CA", "language": "fr-CA"}, "fr-CA")],
)  # fmt: skip
def test_what_is_written_has_the_language_of_the_shop_or_its_site(
    settings: dict[str, str], language: str
) -> None:
    assert language_of(settings) == language


@pytest.mark.parametrize("summary", [None, {}, {"price": None}, {"price": {"value": "no price"}}])
def test_a_listing_whose_price_cannot_be_read_is_stored_all_the_same(
    summary: dict[str, Any] | None,
) -> None:
    row = listing_row("110", ebay_offer("A") | {"pricingSummary": summary}, None)
    assert (row["external_id"], row["price"]) == ("110", None)


def test_an_offer_that_is_published_without_a_listing_id_is_an_unknown_shape() -> None:
    assert listing_of({"status": "UNPUBLISHED"}) is None
    with pytest.raises(CallRejected, match="no listing id"):
        listing_of({"status": "PUBLISHED", "listing": {}})
