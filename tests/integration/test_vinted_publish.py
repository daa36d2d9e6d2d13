"""publish_vinted over a real socket: whatever goes wrong, the wardrobe holds the item once."""

import pytest

from tests.integration.vinted_seller import Listing, open_shop, product


@pytest.fixture
def shop(settings, database):
    with open_shop(settings, database, items=3) as opened:
        yield opened


def test_puts_the_product_on_sale_and_stores_the_listing(shop):
    browser = shop.browser()
    result = shop.done("publish", product=product())
    (item,) = [one for one in shop.wardrobe.items() if one["title"] == "Robe A-1"]
    assert result == {"success": True, "external_id": str(item["id"]), "url": item["url"]}
    action, payload = browser.executed[-1]
    assert action == "VINTED_PUBLISH"
    assert payload["product"] == product() | {
        "quantity": 1, "size": None, "color": None, "attributes": {},
    }  # fmt: skip
    (listing,) = shop.rows(Listing)
    assert (listing.external_id, listing.status, listing.product_key) == (
        str(item["id"]), "live", "sku:A-1",
    )  # fmt: skip
