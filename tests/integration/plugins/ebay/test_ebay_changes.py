"""update_ebay and delete_ebay over real HTTP: what is merged, what goes, what faults do."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from plugins.ebay.offers import Offers
from runtime.process.config import Settings
from runtime.sandbox import Fault
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_product
from tests.support.marketplaces.ebay_seller import EbayShop, open_ebay, product
from tests.support.marketplaces.sandboxes import EbayApp

FAULTS: dict[str, tuple[Fault, dict[str, Any]]] = {
    "500 and nothing done": (Fault.FAILED, {}),
    "500 although done": (Fault.DONE_BUT_FAILED, {}),
    "no answer although done": (Fault.UNANSWERED, {}),
    "no answer, done a little later": (Fault.LATE, {"lands_after": timedelta(seconds=0.2)}),
    "not JSON": (Fault.NOT_JSON, {}),
    "slow": (Fault.SLOW, {"delay": timedelta(seconds=2.5)}),
}


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[EbayShop]:
    with open_ebay(settings, database) as opened:
        yield opened


@pytest.fixture
def app(shop: EbayShop) -> EbayApp:
    return EbayApp(shop.ebay)


# --- update -----------------------------------------------------------------------------------


def test_an_update_changes_what_the_product_says_and_keeps_everything_else(
    shop: EbayShop, app: EbayApp
) -> None:
    app.put_item("A-1", mpn="made-by-hand", ean=["4006381333931"])
    item = shop.ebay.items["A-1"] | {"packageWeightAndSize": {"packageType": "LETTER"}}
    app.inventory(
        "PUT", "/inventory_item/A-1", json={k: item[k] for k in item if k not in {"sku", "locale"}}
    )
    offer_id = app.offer("A-1", quantityLimitPerBuyer=2, storeCategoryNames=["/Winter"])
    app.inventory("POST", f"/offer/{offer_id}/publish")
    result = shop.done("update", product=product(price="9.90", quantity=5, title="New title"))
    ((listing_id, offer),) = shop.ebay.listings.items()
    assert (result["external_id"], result["on_sale"]) == (listing_id, True)
    assert offer["pricingSummary"]["price"] == {"value": "9.90", "currency": "EUR"}
    assert (offer["availableQuantity"], offer["quantityLimitPerBuyer"]) == (5, 2)
    assert offer["storeCategoryNames"] == ["/Winter"]
    item = shop.ebay.items["A-1"]
    assert item["packageWeightAndSize"] == {"packageType": "LETTER"}
    assert (item["product"]["title"], item["product"]["mpn"]) == ("New title", "made-by-hand")
    assert item["product"]["ean"] == ["4006381333931"]
    assert item["availability"]["shipToLocationAvailability"]["quantity"] == 5
    assert len(shop.ebay.fees) == 1


def test_what_the_product_does_not_say_stays(shop: EbayShop) -> None:
    shop.done("publish", product=product())
    silent = {"sku": "A-1", "title": "Écharpe A-1", "price": "12.50", "quantity": 2}
    shop.done("update", product=silent)
    item = shop.ebay.items["A-1"]
    assert item["product"]["description"] == "Douce et chaude."
    assert item["product"]["imageUrls"] == ["https://images.example.com/1.jpg"]
    assert item["condition"] == "USED_GOOD"


def test_an_update_that_changes_nothing_uses_up_no_revision(shop: EbayShop) -> None:
    shop.done("publish", product=product())
    before = shop.ebay.done.copy()
    shop.done("update", product=product())
    written = shop.ebay.done - before
    assert set(written) == {"getInventoryItem", "getOffers", "getOffer"}


@pytest.mark.parametrize("operation", ["createOrReplaceInventoryItem", "updateOffer"])
@pytest.mark.parametrize("fault", FAULTS)
def test_an_update_comes_to_its_end_whatever_becomes_of_a_write(
    shop: EbayShop, app: EbayApp, operation: str, fault: str
) -> None:
    shop.calls_end_early()
    app.publish("A-1")
    kind, options = FAULTS[fault]
    shop.ebay.faults.plan(operation, kind, **options)
    shop.done("update", product=product(price="7.00"))
    (offer,) = shop.ebay.listings.values()
    assert offer["pricingSummary"]["price"]["value"] == "7.00"
    assert shop.ebay.items["A-1"]["product"]["title"] == "Écharpe A-1"
    assert len(shop.ebay.fees) == len(shop.ebay.offers) == 1


def test_a_write_that_another_one_kept_out_is_made_again(shop: EbayShop, app: EbayApp) -> None:
    offer_id = app.publish("A-1")
    with shop.ebay._lock:
        shop.ebay._busy.add("A-1")
    job_id = shop.job("update", product=product(price="7.00"))
    job = shop.waits(job_id, "attempt 1 failed")
    assert "25025" in (job.error_message or "")
    with shop.ebay._lock:
        shop.ebay._busy.discard("A-1")
    assert shop.scene.ended(job_id).status == "completed"
    assert shop.ebay.offers[offer_id]["pricingSummary"]["price"]["value"] == "7.00"


def test_what_is_not_on_ebay_cannot_be_updated(shop: EbayShop, app: EbayApp) -> None:
    assert "publish it" in shop.failed("update", product=product())
    app.put_item("A-1")
    assert "has no offer on EBAY_FR" in shop.failed("update", product=product())
    assert shop.ebay.offers == {}


# --- delete -----------------------------------------------------------------------------------


def test_a_deletion_ends_the_listing_and_removes_offer_and_item(shop: EbayShop) -> None:
    listing_id = shop.done("publish", product=product())["external_id"]
    shop.done("publish", product=product("B-2"))
    result = shop.done("delete", product=product())
    assert (result["deleted"], result["ended"]) == (["A-1"], [listing_id])
    assert set(shop.ebay.items) == {"B-2"}
    assert len(shop.ebay.listings) == 1
    assert shop.listings()[listing_id] == "gone"


def test_what_is_gone_already_is_as_good_as_deleted(shop: EbayShop) -> None:
    listing_id = shop.done("publish", product=product())["external_id"]
    app = EbayApp(shop.ebay)
    app.inventory("DELETE", "/inventory_item/A-1")
    result = shop.done("delete", product=product())
    assert (result["deleted"], result["already_gone"]) == ([], ["A-1"])
    assert shop.listings() == {listing_id: "gone"}


def test_an_offer_that_is_withdrawn_between_the_look_and_the_write_is_as_good_as_withdrawn(
    shop: EbayShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing_id = shop.done("publish", product=product())["external_id"]
    withdraw = Offers.withdraw

    async def withdraw_second(offers: Offers, offer_id: str) -> None:
        EbayApp(shop.ebay).inventory("POST", f"/offer/{offer_id}/withdraw")
        await withdraw(offers, offer_id)

    monkeypatch.setattr(Offers, "withdraw", withdraw_second)
    shop.done("delete", product=product())
    assert (shop.ebay.items, shop.ebay.offers, shop.ebay.listings) == ({}, {}, {})
    assert shop.listings() == {listing_id: "gone"}


def test_the_listing_that_a_job_names_is_deleted_under_the_sku_that_ebay_knows(
    shop: EbayShop,
) -> None:
    shop.done("publish", product=product("ODD-SKU"))
    (listing_id,) = shop.ebay.listings
    shop.done("delete", external_id=listing_id, product_id=add_product(shop.database, "A-1"))
    assert (shop.ebay.items, shop.listings()) == ({}, {listing_id: "gone"})


def test_a_job_that_names_nothing_says_what_to_name(shop: EbayShop) -> None:
    assert "--product SKU" in shop.failed("delete")
    assert "id of a listing" in shop.failed("delete", external_id=True)


@pytest.mark.parametrize("operation", ["withdrawOffer", "deleteInventoryItem"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_deletion_comes_to_its_end_whatever_becomes_of_a_write(
    shop: EbayShop, operation: str, fault: str
) -> None:
    listing_id = shop.done("publish", product=product())["external_id"]
    kind, options = FAULTS[fault]
    shop.ebay.faults.plan(operation, kind, **options)
    shop.done("delete", product=product())
    assert (shop.ebay.items, shop.ebay.offers, shop.ebay.listings) == ({}, {}, {})
    assert shop.listings() == {listing_id: "gone"}
