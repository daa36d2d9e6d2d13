"""update_etsy and delete_etsy over real HTTP, the good way and the bad ones."""

from collections.abc import Iterator
from typing import Any

import pytest

from runtime.process.config import Settings
from runtime.sandbox import Fault
from runtime.storage.models import Listing
from runtime.storage.server.engine import Database
from tests.support.marketplaces.etsy_shop import EtsyShop, open_shop, product


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[EtsyShop]:
    with open_shop(settings, database) as opened:
        yield opened


@pytest.fixture
def listing_id(shop: EtsyShop) -> str:
    """A product that is on sale."""
    return str(shop.done("publish", product=product())["external_id"])


def offering(shop: EtsyShop, listing_id: str) -> tuple[str, int, int]:
    """The SKU, price and quantity of the only thing that a listing sells."""
    (sold,) = shop.etsy.listings[int(listing_id)]["inventory"]["products"]
    (terms,) = sold["offerings"]
    return sold["sku"], terms["price"]["amount"], terms["quantity"]


def test_an_update_changes_everything_and_costs_nothing(shop: EtsyShop, listing_id: str) -> None:
    changed = product(title="Robe bleue", price="9.90", quantity=3, attributes={"tags": ["bleu"]})
    assert shop.done("update", product=changed)["updated"] == {listing_id: "active"}
    listing = shop.etsy.listings[int(listing_id)]
    assert (listing["title"], listing["tags"]) == ("Robe bleue", ["bleu"])
    assert offering(shop, listing_id) == ("A-1", 990, 3)
    assert len(shop.etsy.fees) == 1
    (row,) = shop.rows(Listing)
    assert (row.title, str(row.price), row.status) == ("Robe bleue", "9.90", "live")


BAD_ANSWERS = (
    Fault.DONE_BUT_FAILED,
    Fault.UNANSWERED,
    Fault.CUT_OFF,
    Fault.NOT_JSON,
    Fault.OVERSIZED,
    Fault.FAILED,
    Fault.REFUSED,
    Fault.LATE,
    Fault.SLOW,
)


@pytest.mark.parametrize("fault", BAD_ANSWERS, ids=lambda fault: fault.name)
@pytest.mark.parametrize("operation", ["updateListing", "updateListingInventory"])
def test_an_update_with_a_bad_answer_is_done_again(
    shop: EtsyShop, listing_id: str, operation: str, fault: Fault
) -> None:
    shop.calls_end_early()
    shop.etsy.faults.plan(operation, fault, size=25_000_000)
    shop.done("update", product=product(title="Robe bleue", price="9.90"))
    assert shop.etsy.listings[int(listing_id)]["title"] == "Robe bleue"
    assert offering(shop, listing_id) == ("A-1", 990, 1)
    assert shop.states() == {listing_id: "active"}
    assert len(shop.etsy.fees) == 1


@pytest.mark.parametrize("fault", [Fault.NOT_JSON, Fault.CUT_OFF, Fault.OVERSIZED, Fault.FAILED])
def test_a_read_with_a_bad_answer_changes_nothing_and_is_taken_again(
    shop: EtsyShop, listing_id: str, fault: Fault
) -> None:
    shop.etsy.faults.plan("getListingInventory", fault, size=25_000_000)
    shop.done("update", product=product(price="9.90"))
    assert offering(shop, listing_id) == ("A-1", 990, 1)


def test_other_variations_stay_as_they_are(shop: EtsyShop, listing_id: str) -> None:
    sizes = [variation("A-1", "S", 101), variation("A-2", "M", 102)]
    body = {"products": sizes, "price_on_property": [100], "quantity_on_property": [100]}
    app = shop.app()
    assert app.call("PUT", f"/listings/{listing_id}/inventory", json=body).status_code == 200
    shop.done("update", product=product(price="9.90", quantity=5))
    found = {
        one["sku"]: (one["offerings"][0]["price"]["amount"], one["offerings"][0]["quantity"])
        for one in shop.etsy.listings[int(listing_id)]["inventory"]["products"]
    }
    assert found == {"A-1": (990, 5), "A-2": (2000, 2)}


def variation(sku: str, size: str, value: int) -> dict[str, Any]:
    """One of several sizes of a listing."""
    return {
        "sku": sku,
        "property_values": [
            {"property_id": 100, "property_name": "Size", "value_ids": [value], "values": [size]}
        ],
        "offerings": [
            {"price": 20.0, "quantity": 2, "is_enabled": True, "readiness_state_id": None}
        ],
    }


def test_a_listing_of_other_things_is_left_alone(shop: EtsyShop, listing_id: str) -> None:
    body = {"products": [variation("B-1", "S", 101), variation("B-2", "M", 102)]}
    shop.app().call("PUT", f"/listings/{listing_id}/inventory", json=body)
    error = shop.failed("update", product=product())
    assert "2 variations and none has the SKU A-1" in error
    assert shop.etsy.done["updateListing"] == 1  # the activation


def test_what_nothing_is_left_of_is_switched_off(shop: EtsyShop, listing_id: str) -> None:
    assert shop.done("update", product=product(quantity=0))["updated"] == {listing_id: "inactive"}
    assert shop.states() == {listing_id: "inactive"}
    assert shop.stored() == {listing_id: "gone"}


def test_what_was_sold_meanwhile_is_not_offered_again(shop: EtsyShop, listing_id: str) -> None:
    shop.etsy.sell("A-1")
    error = shop.failed("update", product=product(price="9.90"))
    assert f"{listing_id} (sold_out) is not on sale" in error
    assert offering(shop, listing_id)[2] == 0
    assert shop.stored() == {listing_id: "gone"}


def test_an_update_of_what_is_gone_says_so(shop: EtsyShop, listing_id: str) -> None:
    shop.app().call("DELETE", f"/listings/{listing_id}")
    assert f"{listing_id} (gone) is not on sale" in shop.failed("update", product=product())
    assert shop.stored() == {listing_id: "gone"}


def test_an_update_of_what_was_never_on_sale_says_so(shop: EtsyShop) -> None:
    assert "no listing of the product is known" in shop.failed("update", product=product())


def test_a_proxy_that_leads_nowhere_makes_nothing_look_sold(
    shop: EtsyShop, listing_id: str
) -> None:
    shop.etsy.faults.plan("getListingInventory", Fault.NOT_JSON, times=None)
    job_id = shop.job("update", product=product())
    shop.waits(job_id, "")
    assert shop.stored() == {listing_id: "live"}


def test_a_delete_takes_it_off_sale(shop: EtsyShop, listing_id: str) -> None:
    assert shop.done("delete", product=product())["deleted"] == [listing_id]
    assert shop.states() == {}
    assert shop.stored() == {listing_id: "gone"}


@pytest.mark.parametrize("fault", BAD_ANSWERS, ids=lambda fault: fault.name)
def test_a_delete_with_a_bad_answer_takes_it_off_sale(
    shop: EtsyShop, listing_id: str, fault: Fault
) -> None:
    shop.etsy.faults.plan("deleteListing", fault)
    shop.done("delete", product=product())
    assert shop.states() == {}
    assert shop.stored() == {listing_id: "gone"}


def test_what_is_gone_already_is_as_good_as_deleted(shop: EtsyShop, listing_id: str) -> None:
    shop.app().call("DELETE", f"/listings/{listing_id}")
    result = shop.done("delete", product=product())
    assert (result["deleted"], result["already_gone"]) == ([], [listing_id])
    assert shop.stored() == {listing_id: "gone"}


@pytest.mark.parametrize("how", ["job", "shop"])
def test_a_delete_can_switch_it_off_instead(shop: EtsyShop, listing_id: str, how: str) -> None:
    if how == "shop":
        shop.set(on_delete="deactivate")
    more = {"deactivate": True} if how == "job" else {}
    for _ in range(2):
        result = shop.done("delete", external_id=listing_id, **more)
        assert result["deactivated"] == [listing_id]
    assert shop.states() == {listing_id: "inactive"}
    assert len(shop.etsy.fees) == 1


def test_a_delete_that_names_no_listing_says_how(shop: EtsyShop) -> None:
    assert "input_data.external_id" in shop.failed("delete")
    assert "must be the id of a listing on Etsy" in shop.failed("delete", external_id="x/../1")
    assert shop.etsy.exchanges == []
