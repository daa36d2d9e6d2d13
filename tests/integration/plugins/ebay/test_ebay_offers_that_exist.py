"""publish_ebay where something of the product is on eBay already."""

from collections.abc import Iterator
from typing import Any

import pytest

from runtime.process.config import Settings
from runtime.storage.server.engine import Database
from tests.support.marketplaces.ebay_seller import EbayShop, open_ebay, product
from tests.support.marketplaces.sandboxes import EbayApp


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[EbayShop]:
    with open_ebay(settings, database) as opened:
        yield opened


@pytest.fixture
def app(shop: EbayShop) -> EbayApp:
    return EbayApp(shop.ebay)


@pytest.mark.parametrize("named", [True, False], ids=["named", "looked for"])
def test_an_offer_that_exists_is_taken_over_and_says_what_the_product_is_now(
    shop: EbayShop, app: EbayApp, named: bool
) -> None:
    shop.ebay.names_existing_offer = named
    app.put_item("A-1", title="Old title", mpn="made-by-hand")
    offer_id = app.offer("A-1", lotSize=3, categoryId="1")
    result = shop.done("publish", product=product(price="20.00"))
    assert result["offer_id"] == offer_id
    (offer,) = shop.ebay.offers.values()
    assert offer["pricingSummary"]["price"]["value"] == "20.00"
    assert (offer["categoryId"], offer["lotSize"]) == ("45238", 3)
    assert offer["status"] == "PUBLISHED"
    assert shop.ebay.items["A-1"]["product"]["title"] == "Écharpe A-1"
    assert shop.ebay.items["A-1"]["product"]["mpn"] == "made-by-hand"
    assert len(shop.ebay.fees) == 1


def test_what_is_on_sale_already_is_not_listed_again(shop: EbayShop, app: EbayApp) -> None:
    app.publish("A-1")
    (listing_id,) = shop.ebay.listings
    assert shop.done("publish", product=product())["external_id"] == listing_id
    assert list(shop.ebay.listings) == [listing_id]
    assert (len(shop.ebay.fees), shop.ebay.done["publishOffer"]) == (1, 1)
    assert shop.listings() == {listing_id: "live"}


def test_an_offer_on_another_of_ebays_sites_is_left_alone(shop: EbayShop, app: EbayApp) -> None:
    app.put_item("A-1")
    other = app.offer("A-1", marketplaceId="EBAY_DE")
    shop.done("publish", product=product())
    assert shop.ebay.offers[other]["status"] == "UNPUBLISHED"
    assert shop.ebay.offers[other]["pricingSummary"]["price"]["value"] == "12.50"
    assert len(shop.ebay.listings) == 1


def test_to_publish_twice_is_to_publish_once(shop: EbayShop) -> None:
    first = shop.done("publish", product=product())
    again = shop.done("publish", product=product(), force=True)
    assert first["external_id"] == again["external_id"]
    assert shop.ebay.done["createOrReplaceInventoryItem"] == 1
    assert len(shop.ebay.fees) == 1


# --- what eBay, or a look at the product, does not let pass -----------------------------------


def test_everything_that_is_missing_is_named_at_once_before_anything_is_sent(
    shop: EbayShop,
) -> None:
    shop.set(marketplace_id="", merchant_location_key="", payment_policy_id="", currency="")
    flawed = product(
        title="x" * 81, description="", images=[], condition=None, category=None, currency=None,
        quantity=0, attributes={"aspects": ["Style"]},
    )  # fmt: skip
    message = shop.failed("publish", product=flawed)
    for words in (
        "title may have 80", "description is missing", "images is missing",
        "condition is missing", "category is missing", "currency is missing", "quantity is 0",
        "attributes.aspects", "marketplace_id", "merchant_location_key", "payment_policy_id",
        "run.py shops set", "nothing was sent",
    ):  # fmt: skip
        assert words in message
    assert shop.ebay.exchanges == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"description": "x" * 4_001}, "description may have 4,000"),
        ({"sku": "x" * 51}, "sku may have 50"),
        ({"category": "hats"}, "category_map of the shop does not hold the category 'hats'"),
        ({"condition": "so so"}, "condition_map"),
        ({"currency": "USD"}, "currency is USD, and the shop sells in EUR"),
        ({"images": ["photos/1.jpg"]}, "not in the media directory"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_written(
    shop: EbayShop, changes: dict[str, Any], words: str
) -> None:
    assert words in shop.failed("publish", product=product(**changes))
    assert not any(one.request.method != "GET" for one in shop.ebay.exchanges)


def test_a_job_without_a_product_says_how_to_make_one_with_it(shop: EbayShop) -> None:
    assert "--product SKU" in shop.failed("publish")


def test_images_that_ebay_cannot_fetch_are_not_sent(shop: EbayShop, settings: Settings) -> None:
    media = settings.data_dir / "media" / "photos"
    media.mkdir(parents=True)
    (media / "1.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much of a picture")
    message = shop.failed("publish", product=product(images=["photos/1.jpg"]))
    assert "RUNTIME_MEDIA_URL" in message
    assert shop.ebay.items == {}


def test_ebays_own_words_tell_why_it_refuses_and_a_new_job_goes_on_from_there(
    shop: EbayShop,
) -> None:
    shop.set(payment_policy_id="payment-9", merchant_location_key="cellar")
    message = shop.failed("publish", product=product())
    assert "25012: Invalid inventory location." in message
    assert "25008: Invalid payment policy." in message
    assert (shop.ebay.listings, shop.ebay.fees, shop.listings()) == ({}, [], {})
    shop.set(payment_policy_id="payment-1", merchant_location_key="warehouse")
    shop.done("publish", product=product())
    assert len(shop.ebay.offers) == len(shop.ebay.fees) == 1
