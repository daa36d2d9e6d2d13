"""The simulated eBay: items, offers and listings, over real HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest

from plugins.ebay.sandbox import EbaySandbox
from runtime.process.clock import ManualClock
from tests.support.marketplaces.sandboxes import (
    EbayApp,
    checked_ebay,
    ebay_errors,
    ebay_item,
    ebay_offer,
    still_clock,
)


@pytest.fixture
def clock() -> ManualClock:
    return still_clock()


@pytest.fixture
def ebay(clock: ManualClock) -> Iterator[EbaySandbox]:
    with checked_ebay(clock, refused_too=False) as running:
        yield running


@pytest.fixture
def app(ebay: EbaySandbox) -> EbayApp:
    return EbayApp(ebay)


def test_item_offer_publish_makes_one_listing(ebay: EbaySandbox, app: EbayApp) -> None:
    assert app.put_item("SKU-1").status_code == 201
    offer_id = app.offer("SKU-1")
    assert not ebay.listings
    listing_id = app.inventory("POST", f"/offer/{offer_id}/publish").json()["listingId"]
    assert ebay.listings[listing_id]["sku"] == "SKU-1"
    assert [fee.listing_id for fee in ebay.fees] == [listing_id]
    assert ebay.done["publishOffer"] == 1
    assert app.inventory("GET", f"/offer/{offer_id}").json()["status"] == "PUBLISHED"


def test_a_put_replaces_the_whole_item(app: EbayApp) -> None:
    app.put_item("SKU-1")
    answer = app.inventory("PUT", "/inventory_item/SKU-1", json={"condition": "NEW"})
    assert answer.status_code == 204
    assert app.inventory("GET", "/inventory_item/SKU-1").json() == {
        "sku": "SKU-1", "locale": "fr_FR", "condition": "NEW",
    }  # fmt: skip


def test_aspects_are_an_object_of_arrays(ebay: EbaySandbox, app: EbayApp) -> None:
    assert ebay_errors(app.put_item("SKU-1", aspects="Marque: Sézane")) == [2004]
    assert ebay_errors(app.put_item("SKU-1", aspects={"Marque": "Sézane"})) == [25016]
    assert not ebay.items


@pytest.mark.parametrize(
    ("changes", "error_id"),
    [
        ({"title": "x" * 81}, 25016),
        ({"description": "x" * 4_001}, 25016),
        ({"imageUrls": ["http://images.example.com/1.jpg"]}, 25014),
        ({"quantity": -1}, 25004),
    ],
)
def test_an_item_keeps_to_the_limits(app: EbayApp, changes: dict[str, Any], error_id: int) -> None:
    assert ebay_errors(app.put_item("SKU-1", **changes)) == [error_id]


@pytest.mark.parametrize("sku", ["", "x" * 51, "a%20b", "a%2Fb"])
def test_a_sku_is_short_and_plain(ebay: EbaySandbox, app: EbayApp, sku: str) -> None:
    assert ebay_errors(app.put_item(sku)) in ([25707], [2002])
    assert not ebay.items


@pytest.mark.parametrize("path", ["/inventory_item/SKU-1", "/offer/1"])
@pytest.mark.parametrize("language", [None, "fr", "fr_FR"])
def test_content_language_is_required(app: EbayApp, path: str, language: str | None) -> None:
    answer = app.inventory("PUT", path, json={}, headers={"Content-Language": language})
    assert answer.status_code == 400
    assert ebay_errors(answer) == [25709]


def test_content_type_is_required(app: EbayApp) -> None:
    answer = app.inventory("PUT", "/inventory_item/SKU-1", data="{}")
    assert answer.status_code == 415


def test_a_body_that_is_not_json_is_refused(app: EbayApp) -> None:
    headers = {"Content-Type": "application/json"}
    answer = app.inventory("PUT", "/inventory_item/SKU-1", data="{", headers=headers)
    assert (answer.status_code, ebay_errors(answer)) == (400, [2004])


@pytest.mark.parametrize("name", ["sku", "marketplaceId", "format"])
def test_an_offer_needs_sku_marketplace_and_format(app: EbayApp, name: str) -> None:
    app.put_item("SKU-1")
    offer = ebay_offer("SKU-1")
    del offer[name]
    answer = app.inventory("POST", "/offer", json=offer)
    assert answer.status_code == 400
    assert ebay_errors(answer) in ([25709], [25707])


def test_an_offer_needs_its_item_first(app: EbayApp) -> None:
    answer = app.inventory("POST", "/offer", json=ebay_offer("SKU-1"))
    assert (answer.status_code, ebay_errors(answer)) == (400, [25702])


def test_a_price_is_a_string(app: EbayApp) -> None:
    app.put_item("SKU-1")
    price = {"price": {"value": 12.5, "currency": "EUR"}}
    answer = app.inventory("POST", "/offer", json=ebay_offer("SKU-1", pricingSummary=price))
    assert ebay_errors(answer) == [2004]


def test_a_second_offer_is_refused_and_names_the_first(ebay: EbaySandbox, app: EbayApp) -> None:
    app.put_item("SKU-1")
    offer_id = app.offer("SKU-1")
    answer = app.inventory("POST", "/offer", json=ebay_offer("SKU-1"))
    assert (answer.status_code, ebay_errors(answer)) == (400, [25002])
    assert answer.json()["errors"][0]["parameters"] == [{"name": "offerId", "value": offer_id}]
    ebay.names_existing_offer = False
    answer = app.inventory("POST", "/offer", json=ebay_offer("SKU-1"))
    assert answer.json()["errors"][0]["parameters"] == []
    assert ebay.done["createOffer"] == len(ebay.offers) == 1


def test_offers_are_found_by_sku_alone(app: EbayApp) -> None:
    app.put_item("SKU-1")
    offer_id = app.offer("SKU-1")
    answer = app.inventory("GET", "/offer", params={"sku": "SKU-1"})
    assert [offer["offerId"] for offer in answer.json()["offers"]] == [offer_id]
    answer = app.inventory("GET", "/offer", params={"sku": "SKU-2"})
    assert (answer.status_code, ebay_errors(answer)) == (404, [25713])
    assert ebay_errors(app.inventory("GET", "/offer")) == [25709]


@pytest.mark.parametrize(
    ("changes", "error_id"),
    [
        ({"categoryId": None}, 25005),
        ({"pricingSummary": {}}, 25003),
        ({"listingDuration": "DAYS_7"}, 25006),
        ({"merchantLocationKey": "nowhere"}, 25012),
        ({"availableQuantity": 0}, 25004),
        ({"marketplaceId": "EBAY_DE"}, 25007),
        ({"listingPolicies": {}}, 25007),
    ],
)
def test_publishing_needs_the_whole_offer(
    ebay: EbaySandbox, app: EbayApp, changes: dict[str, Any], error_id: int
) -> None:
    app.put_item("SKU-1")
    offer = {k: v for k, v in ebay_offer("SKU-1", **changes).items() if v is not None}
    offer_id = app.inventory("POST", "/offer", json=offer).json()["offerId"]
    answer = app.inventory("POST", f"/offer/{offer_id}/publish")
    assert answer.status_code == 400
    assert error_id in ebay_errors(answer)
    assert not ebay.listings
    assert not ebay.fees


def test_publishing_names_all_that_an_item_lacks_at_once(app: EbayApp) -> None:
    app.inventory("PUT", "/inventory_item/SKU-1", json={})
    answer = app.inventory("POST", f"/offer/{app.offer('SKU-1')}/publish")
    assert ebay_errors(answer) == [25016, 25014, 25021, 25016, 25004]


def test_what_is_not_there_cannot_be_published(app: EbayApp) -> None:
    answer = app.inventory("POST", "/offer/123/publish")
    assert (answer.status_code, ebay_errors(answer)) == (404, [25713])


def test_publishing_twice_is_refused(ebay: EbaySandbox, app: EbayApp) -> None:
    offer_id = app.publish("SKU-1")
    answer = app.inventory("POST", f"/offer/{offer_id}/publish")
    assert (answer.status_code, ebay_errors(answer)) == (400, [25002])
    assert len(ebay.fees) == 1


def test_an_update_replaces_the_offer_and_must_leave_it_publishable(
    ebay: EbaySandbox, app: EbayApp
) -> None:
    offer_id = app.publish("SKU-1")
    bare = {"pricingSummary": {"price": {"value": "9.90", "currency": "EUR"}}}
    answer = app.inventory("PUT", f"/offer/{offer_id}", json=bare)
    assert {25005, 25006, 25007, 25008, 25009, 25012} <= set(ebay_errors(answer))
    whole = {k: v for k, v in ebay_offer("SKU-1", **bare).items() if k not in _FIXED}
    assert app.inventory("PUT", f"/offer/{offer_id}", json=whole).status_code == 200
    (offer,) = ebay.offers.values()
    assert offer["pricingSummary"] == bare["pricingSummary"]
    assert (offer["sku"], offer["status"]) == ("SKU-1", "PUBLISHED")


_FIXED = {"sku", "marketplaceId", "format"}


def test_an_item_on_sale_must_stay_publishable(ebay: EbaySandbox, app: EbayApp) -> None:
    app.publish("SKU-1")
    answer = app.inventory("PUT", "/inventory_item/SKU-1", json={"condition": "NEW"})
    assert {25016, 25014} <= set(ebay_errors(answer))
    assert ebay.items["SKU-1"]["product"]["title"] == "Écharpe en laine"


def test_a_listing_is_revised_at_most_250_times_a_day(app: EbayApp) -> None:
    app.publish("SKU-1")
    assert {app.put_item("SKU-1").status_code for _ in range(250)} == {204}
    assert ebay_errors(app.put_item("SKU-1")) == [25019]


def test_withdrawing_keeps_the_offer(ebay: EbaySandbox, app: EbayApp) -> None:
    offer_id = app.publish("SKU-1")
    assert app.inventory("POST", f"/offer/{offer_id}/withdraw").status_code == 200
    assert not ebay.listings
    assert ebay.offers[offer_id]["status"] == "UNPUBLISHED"
    answer = app.inventory("POST", f"/offer/{offer_id}/withdraw")
    assert (answer.status_code, ebay_errors(answer)) == (400, [25002])


@pytest.mark.parametrize("published", [False, True])
def test_deleting_an_item_takes_its_offers_and_listings(
    ebay: EbaySandbox, app: EbayApp, *, published: bool
) -> None:
    app.put_item("SKU-1")
    (app.publish if published else app.offer)("SKU-1")
    assert app.inventory("DELETE", "/inventory_item/SKU-1").status_code == 204
    assert not ebay.items
    assert not ebay.offers
    answer = app.inventory("DELETE", "/inventory_item/SKU-1")
    assert (answer.status_code, ebay_errors(answer)) == (404, [25710])


def test_deleting_an_offer_ends_its_listing(ebay: EbaySandbox, app: EbayApp) -> None:
    offer_id = app.publish("SKU-1")
    assert app.inventory("DELETE", f"/offer/{offer_id}").status_code == 204
    assert not ebay.listings
    assert app.inventory("DELETE", f"/offer/{offer_id}").status_code == 404


def test_pages_of_items_are_followed_by_next(app: EbayApp) -> None:
    for number in range(5):
        app.put_item(f"SKU-{number}")
    pages = list(app.pages(app.inventory("GET", "/inventory_item", params={"limit": "2"})))
    seen = [[item["sku"] for item in page["inventoryItems"]] for page in pages]
    assert seen == [["SKU-0", "SKU-1"], ["SKU-2", "SKU-3"], ["SKU-4"]]
    assert {page["total"] for page in pages} == {5}


@pytest.mark.parametrize("limit", ["0", "201", "many", "-1"])
def test_a_page_of_items_has_at_most_200(app: EbayApp, limit: str) -> None:
    answer = app.inventory("GET", "/inventory_item", params={"limit": limit})
    assert (answer.status_code, ebay_errors(answer)) == (400, [25706])


def test_a_bulk_call_tells_of_each_row(ebay: EbaySandbox, app: EbayApp) -> None:
    good, bad = ebay_item() | {"sku": "SKU-1"}, ebay_item(title="x" * 81) | {"sku": "SKU-2"}
    answer = app.inventory(
        "POST", "/bulk_create_or_replace_inventory_item", json={"requests": [good, bad]}
    )
    assert answer.status_code == 207
    assert [row["statusCode"] for row in answer.json()["responses"]] == [201, 400]
    assert list(ebay.items) == ["SKU-1"]
    offer_id = app.offer("SKU-1")
    requested = [{"offerId": offer_id}, {"offerId": "123"}]
    answer = app.inventory("POST", "/bulk_publish_offer", json={"requests": requested})
    assert answer.status_code == 207
    assert [row["statusCode"] for row in answer.json()["responses"]] == [200, 404]
    assert len(ebay.listings) == 1


def test_prices_and_quantities_are_changed_in_bulk(ebay: EbaySandbox, app: EbayApp) -> None:
    offer_id = app.publish("SKU-1")
    price = {"value": "9.90", "currency": "EUR"}
    change = {
        "sku": "SKU-1",
        "offers": [{"offerId": offer_id, "price": price, "availableQuantity": 3}],
        "shipToLocationAvailability": {"quantity": 3},
    }
    answer = app.inventory("POST", "/bulk_update_price_quantity", json={"requests": [change]})
    assert answer.status_code == 200
    assert ebay.offers[offer_id]["availableQuantity"] == 3
    assert ebay.offers[offer_id]["pricingSummary"]["price"] == price


def test_a_good_answer_can_carry_warnings(ebay: EbaySandbox, app: EbayApp) -> None:
    app.put_item("SKU-1")
    warning = {"errorId": 25401, "domain": "API_INVENTORY", "category": "APPLICATION"}
    ebay.warnings["createOrReplaceInventoryItem"] = [warning]
    answer = app.put_item("SKU-1")
    assert (answer.status_code, answer.json()) == (200, {"warnings": [warning]})


def test_locations_and_policies_are_there_to_be_read(ebay: EbaySandbox, app: EbayApp) -> None:
    ebay.account.add_policy("payment", "payment-2", "EBAY_DE")
    answer = app.inventory("GET", "/location/warehouse")
    assert answer.json()["merchantLocationStatus"] == "ENABLED"
    assert app.inventory("GET", "/location").json()["total"] == 1
    assert app.inventory("GET", "/location/nowhere").status_code == 404
    for kind in ("fulfillment", "payment", "return"):
        path = f"/sell/account/v1/{kind}_policy"
        answer = app.call("GET", path, params={"marketplace_id": "EBAY_FR"})
        assert [one[f"{kind}PolicyId"] for one in answer.json()[f"{kind}Policies"]] == [f"{kind}-1"]
        assert app.call("GET", path).status_code == 400


def test_what_ebay_does_not_have_is_404_in_its_shape(app: EbayApp) -> None:
    answer = app.call("GET", "/sell/nothing/v1/here")
    assert (answer.status_code, ebay_errors(answer)) == (404, [2002])
