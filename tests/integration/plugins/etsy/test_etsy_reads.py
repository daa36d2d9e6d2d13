"""sync_etsy and sync_orders_etsy over real HTTP: nothing is lost, nothing is counted twice."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from plugins.etsy import client
from runtime.errors import InputError
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.sandbox import Fault
from runtime.storage.models import Listing, MarketplaceJob, Order, Product, Shop
from runtime.storage.selling.listing_changes import record_listing
from runtime.storage.selling.listing_rows import checked_listing
from runtime.storage.server.engine import Database
from tests.support.marketplaces.etsy_shop import SELLER, EtsyShop, open_shop, product

READ_FAULTS = (
    Fault.FAILED,
    Fault.REFUSED,
    Fault.CUT_OFF,
    Fault.NOT_JSON,
    Fault.OVERSIZED,
    Fault.SLOW,
)


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[EtsyShop]:
    with open_shop(settings, database) as opened:
        yield opened


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two."""
    monkeypatch.setattr(client, "MAX_LIMIT", 2)


def quantity(shop: EtsyShop, sku: str = "A-1") -> int:
    """How many are left of a product, as we know it."""
    return int({one.sku: one.quantity for one in shop.rows(Product)}[sku])


# --- listings -----------------------------------------------------------------------------------


def test_a_sync_stores_what_is_on_sale_and_marks_the_rest_as_gone(
    shop: EtsyShop, small_pages: None
) -> None:
    app = shop.app()
    ids = [str(app.publish(f"S-{number}")) for number in range(5)]
    app.draft()
    result = shop.done("sync")
    assert (result["imported"], result["gone"], result["pages"]) == (5, 0, 3)
    assert shop.stored() == dict.fromkeys(ids, "live")
    app.call("DELETE", f"/listings/{ids[0]}")
    app.patch(int(ids[1]), state="inactive")
    result = shop.done("sync")
    assert (result["imported"], result["updated"], result["gone"]) == (0, 3, 2)
    assert shop.stored() == dict.fromkeys(ids[2:], "live") | dict.fromkeys(ids[:2], "gone")


def test_a_listing_is_linked_to_its_product_by_the_sku(shop: EtsyShop) -> None:
    product_id = shop.add_product(sku="S-1")
    shop.app().publish("S-1")
    shop.done("sync")
    (listing,) = shop.rows(Listing)
    assert (listing.product_id, listing.title, str(listing.price), listing.currency) == (
        product_id, "Écharpe S-1", "12.50", "EUR",
    )  # fmt: skip
    assert listing.data["taxonomy_id"] == 374


def test_an_empty_shop_is_synced(shop: EtsyShop) -> None:
    result = shop.done("sync")
    assert (result["imported"], result["gone"], result["pages"]) == (0, 0, 1)


@pytest.mark.parametrize("fault", READ_FAULTS, ids=lambda fault: fault.name)
def test_a_sync_that_meets_a_bad_answer_loses_nothing(
    shop: EtsyShop, small_pages: None, fault: Fault
) -> None:
    shop.calls_end_early()
    app = shop.app()
    ids = [str(app.publish(f"S-{number}")) for number in range(3)]
    shop.etsy.faults.plan(
        "getListingsByShop", fault, after=1, size=25_000_000, delay=timedelta(seconds=2.5)
    )
    assert shop.done("sync")["gone"] == 0
    assert shop.stored() == dict.fromkeys(ids, "live")


def test_a_sync_that_ends_half_way_marks_nothing_as_gone(shop: EtsyShop, small_pages: None) -> None:
    app = shop.app()
    ids = [str(app.publish(f"S-{number}")) for number in range(3)]
    shop.done("sync")
    shop.etsy.faults.plan("getListingsByShop", Fault.FAILED, after=1, times=None)
    with shop.database.session.begin() as session:
        service = MarketplaceJobService(session)
        job_id = service.create_job("etsy", "sync", shop_id=shop.shop_id, max_retries=0).id
    assert shop.scene.ended(job_id).status == "failed"
    assert shop.stored() == dict.fromkeys(ids, "live")


def test_a_record_that_moves_between_pages_is_not_lost(
    shop: EtsyShop, small_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = shop.app()
    ids = [str(app.publish(f"S-{number}")) for number in range(4)]
    shop.done("sync")
    read = client.EtsyClient.listings
    moved: list[requests.Response] = []

    async def listings(self: client.EtsyClient, state: str, offset: int) -> Any:
        page = await read(self, state, offset)
        if offset == 0 and not moved:
            # With the first page read, its first listing goes, and the third moves onto it.
            moved.append(app.patch(int(ids[3]), state="inactive"))
        return page

    monkeypatch.setattr(client.EtsyClient, "listings", listings)
    result = shop.done("sync")
    assert moved
    assert (result["gone"], result["pages"]) == (0, 2), "looked again before it judged"
    assert shop.stored() == dict.fromkeys(ids, "live")
    assert shop.done("sync")["gone"] == 1
    assert shop.stored() == dict.fromkeys(ids[:3], "live") | {ids[3]: "gone"}


# --- orders -------------------------------------------------------------------------------------


def test_a_sale_is_stored_and_lowers_the_quantity_once(shop: EtsyShop) -> None:
    shop.add_product(quantity=3)
    listing_id = shop.done("publish", product=product(quantity=3))["external_id"]
    receipt = shop.etsy.sell("A-1", 2)
    result = shop.done("sync_orders")
    assert (result["new"], result["updated"], result["errors"]) == (1, 0, 0)
    assert [(sale["quantity"], sale["left"]) for sale in result["sales"]] == [(2, 1)]
    (order,) = shop.rows(Order)
    assert (order.external_id, order.status, str(order.total), order.currency) == (
        str(receipt["receipt_id"]), "paid", "25.00", "EUR",
    )  # fmt: skip
    assert shop.done("sync_orders")["sales"] == []
    assert shop.done("sync_orders", full=True)["sales"] == []
    assert quantity(shop) == 1
    assert shop.states() == {listing_id: "active"}


def test_only_what_changed_since_is_read_again(shop: EtsyShop, small_pages: None) -> None:
    app = shop.app()
    app.publish("S-1", quantity=9)
    for _ in range(5):
        shop.etsy.sell("S-1")
    assert shop.done("sync_orders")["pages"] == 3
    later = shop.etsy.now() + timedelta(hours=1)
    with shop.database.session.begin() as session:
        session.query(Shop).update({"orders_synced_at": later})
    result = shop.done("sync_orders")
    assert (result["pages"], result["new"], result["updated"]) == (1, 0, 0)
    request = [one.request for one in shop.etsy.exchanges if one.operation == "getShopReceipts"][-1]
    query = dict(request.query_pairs())
    assert int(query["min_last_modified"]) <= int(later.timestamp())
    assert len(shop.rows(Order)) == 5


def test_the_first_sync_goes_back_ninety_days_and_a_full_one_to_the_beginning(
    shop: EtsyShop,
) -> None:
    shop.done("sync_orders")
    shop.done("sync_orders", full=True)
    first, full = [
        dict(one.request.query_pairs())
        for one in shop.etsy.exchanges
        if one.operation == "getShopReceipts"
    ]
    began = shop.etsy.now() - timedelta(days=90)
    assert abs(int(first["min_last_modified"]) - began.timestamp()) < 60
    assert "min_last_modified" not in full


def test_an_order_that_cannot_be_read_is_read_again_and_not_lost(
    shop: EtsyShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.add_product(quantity=3)
    shop.done("publish", product=product(quantity=3))
    shop.etsy.sell("A-1")

    def unread(_: object) -> None:
        raise InputError("its shape is new")

    monkeypatch.setattr("plugins.etsy.sync_orders.order_row", unread)
    result = shop.done("sync_orders")
    assert (result["new"], result["errors"]) == (0, 1)
    assert "the next sync begins where this one did" in result["warning"]
    with shop.database.session.begin() as session:
        assert session.query(Shop).one().orders_synced_at is None
    monkeypatch.undo()
    assert len(shop.done("sync_orders")["sales"]) == 1
    assert quantity(shop) == 2


def test_a_cancellation_is_noted(shop: EtsyShop) -> None:
    shop.app().publish("S-1", quantity=2)
    receipt = shop.etsy.sell("S-1")
    shop.done("sync_orders")
    shop.etsy.cancel_order(receipt["receipt_id"])
    result = shop.done("sync_orders")
    assert (result["new"], result["updated"]) == (0, 1)
    assert [one.status for one in shop.rows(Order)] == ["canceled"]


def test_a_sale_that_was_cancelled_before_it_was_read_lowers_nothing(shop: EtsyShop) -> None:
    shop.add_product(quantity=2)
    shop.done("publish", product=product(quantity=2))
    shop.etsy.cancel_order(shop.etsy.sell("A-1")["receipt_id"])
    assert shop.done("sync_orders")["sales"] == []
    assert quantity(shop) == 2


@pytest.mark.parametrize("fault", READ_FAULTS, ids=lambda fault: fault.name)
def test_a_sync_of_orders_that_meets_a_bad_answer_loses_nothing(
    shop: EtsyShop, small_pages: None, fault: Fault
) -> None:
    shop.calls_end_early()
    shop.add_product(quantity=5)
    shop.done("publish", product=product(quantity=5))
    for _ in range(3):
        shop.etsy.sell("A-1")
    shop.etsy.faults.plan(
        "getShopReceipts", fault, after=1, size=25_000_000, delay=timedelta(seconds=2.5)
    )
    result = shop.done("sync_orders")
    assert result["new"] == 3
    assert quantity(shop) == 2


def test_what_was_sold_is_taken_off_sale_elsewhere(shop: EtsyShop) -> None:
    product_id = shop.add_product()
    shop.done("publish", product_id=product_id)
    with shop.database.session.begin() as session:
        other = MarketplaceJobService(session).add_shop("vinted", SELLER, "123")
        other.settings = {"follow_sales": "yes"}
        there = checked_listing("555", data={"id": 555}, title="Robe", sku="A-1")
        record_listing(session, other.id, there, product_id)
    shop.etsy.sell("A-1")
    (created,) = shop.done("sync_orders")["jobs"]
    assert shop.done("sync_orders", full=True)["jobs"] == []
    with shop.database.session() as session:
        job = session.get_one(MarketplaceJob, created)
        assert (job.marketplace, job.product_id, job.input_data) == (
            "vinted", product_id, {"external_id": "555"},
        )  # fmt: skip


def test_nobody_is_ever_mailed(shop: EtsyShop) -> None:
    shop.done("publish", product=product())
    shop.etsy.sell("A-1")
    shop.done("sync_orders")
    assert not [one for one in shop.etsy.exchanges if "tracking" in one.request.path]
