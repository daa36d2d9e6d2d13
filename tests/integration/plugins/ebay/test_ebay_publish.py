"""publish_ebay over real HTTP: whatever goes wrong, it is listed once and paid for once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from runtime.process.config import Settings
from runtime.sandbox import Fault
from runtime.storage.models import Listing
from runtime.storage.server.engine import Database
from tests.support.marketplaces.ebay_seller import EbayShop, open_ebay, product

WRITES = ("createOrReplaceInventoryItem", "createOffer", "publishOffer")
LATER = timedelta(seconds=0.2)
TOO_SLOW = timedelta(seconds=2.5)


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[EbayShop]:
    with open_ebay(settings, database) as opened:
        yield opened


def check_published_once(shop: EbayShop, sku: str = "A-1") -> str:
    ((listing_id, offer),) = shop.ebay.listings.items()
    assert (offer["sku"], offer["availableQuantity"]) == (sku, 2)
    assert offer["pricingSummary"]["price"] == {"value": "12.50", "currency": "EUR"}
    assert len(shop.ebay.offers) == len(shop.ebay.items) == len(shop.ebay.fees) == 1
    assert shop.listings() == {listing_id: "live"}
    return listing_id


def test_a_product_becomes_an_item_an_offer_and_a_listing(shop: EbayShop) -> None:
    result = shop.done("publish", product=product(size="M", attributes={"aspects": {"Style": "A"}}))
    listing_id = check_published_once(shop)
    assert result["external_id"] == listing_id
    assert result["url"] == f"https://www.ebay.fr/itm/{listing_id}"
    item = shop.ebay.items["A-1"]
    assert item["condition"] == "USED_GOOD"
    assert item["locale"] == "fr_FR"
    assert item["product"] == {
        "title": "Écharpe A-1",
        "description": "Douce et chaude.",
        "brand": "Sézane",
        "imageUrls": ["https://images.example.com/1.jpg"],
        "aspects": {"Marque": ["Sézane"], "Taille": ["M"], "Style": ["A"]},
    }
    (offer,) = shop.ebay.offers.values()
    assert (offer["marketplaceId"], offer["categoryId"]) == ("EBAY_FR", "45238")
    assert offer["listingPolicies"]["returnPolicyId"] == "return-1"
    (row,) = shop.rows(Listing)
    assert (row.title, str(row.price), row.currency) == ("Écharpe A-1", "12.50", "EUR")
    assert row.product_key == "sku:A-1"
    assert {name: shop.ebay.done[name] for name in WRITES} == dict.fromkeys(WRITES, 1)


FAULTS: dict[str, tuple[Fault, dict[str, Any]]] = {
    "500 and nothing done": (Fault.FAILED, {}),
    "500 although done": (Fault.DONE_BUT_FAILED, {}),
    "no answer, nothing done": (Fault.REFUSED, {}),
    "no answer although done": (Fault.UNANSWERED, {}),
    "no answer, done a little later": (Fault.LATE, {"lands_after": LATER}),
    "cut off in the middle": (Fault.CUT_OFF, {}),
    "not JSON": (Fault.NOT_JSON, {}),
    "ten times too large": (Fault.OVERSIZED, {}),
    "slow": (Fault.SLOW, {"delay": TOO_SLOW}),
}


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_listed_once_whatever_becomes_of_a_write(
    shop: EbayShop, operation: str, fault: str
) -> None:
    shop.calls_end_early()
    kind, options = FAULTS[fault]
    shop.ebay.faults.plan(operation, kind, **options)
    shop.done("publish", product=product())
    check_published_once(shop)
    assert shop.ebay.done["publishOffer"] == 1
