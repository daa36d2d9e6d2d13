"""sync_orders_ebay over real HTTP: what was sold is stored once, and the other shops follow."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from sqlalchemy import select

from runtime.errors import InputError
from runtime.process.config import Settings
from runtime.sandbox import Fault
from runtime.storage.models import MarketplaceJob, Order, Shop
from runtime.storage.selling import listing_changes, order_sync
from runtime.storage.selling.listing_rows import checked_listing
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_product, add_shop
from tests.support.marketplaces.ebay_seller import EbayShop, open_ebay
from tests.support.marketplaces.sandboxes import EbayApp


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[EbayShop]:
    with open_ebay(settings, database) as opened:
        yield opened


def filters(shop: EbayShop) -> list[str | None]:
    """The filters of the walks, as they were sent and decoded."""
    queries = [one.request.query for one in shop.ebay.exchanges if one.operation == "getOrders"]
    return [parse_qs(query).get("filter", [None])[0] for query in queries]


def sell(shop: EbayShop, sku: str, quantity: int = 1) -> dict[str, Any]:
    return shop.ebay.sell(sku, quantity)


def test_a_sale_is_stored_and_lowers_the_quantity_once(shop: EbayShop) -> None:
    add_product(shop.database, "A-1", quantity=5)
    EbayApp(shop.ebay).publish("A-1", quantity=5)
    order = sell(shop, "A-1", 2)
    result = shop.done("sync_orders")
    assert (result["new"], result["updated"]) == (1, 0)
    (stored,) = shop.rows(Order)
    assert stored.external_id == order["orderId"]
    assert (str(stored.total), stored.currency, stored.buyer) == ("25.00", "EUR", "example-buyer")
    assert shop.quantity("A-1") == 3
    result = shop.done("sync_orders")
    assert (result["new"], result["updated"], result["sales"]) == (0, 1, [])
    assert shop.quantity("A-1") == 3


def test_the_next_sync_asks_for_what_changed_since_with_an_encoded_filter(shop: EbayShop) -> None:
    shop.done("sync_orders")
    shop.done("sync_orders")
    first, second = filters(shop)
    assert first is None
    assert second is not None
    assert second.startswith("lastmodifieddate:[")
    assert second.endswith("Z..]")
    raw = [one.request.query for one in shop.ebay.exchanges if one.operation == "getOrders"][1]
    assert "%5B" in raw
    assert "[" not in raw


def test_pages_are_followed_to_the_end(shop: EbayShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.ebay.orders.PAGE_SIZE", 2)
    app = EbayApp(shop.ebay)
    for number in range(5):
        app.publish(f"SKU-{number}")
        sell(shop, f"SKU-{number}")
    result = shop.done("sync_orders")
    assert (result["new"], result["pages"]) == (5, 3)


def test_a_sync_that_failed_on_the_way_hides_nothing_from_the_next(
    shop: EbayShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.ebay.orders.PAGE_SIZE", 2)
    app = EbayApp(shop.ebay)
    for number in range(5):
        app.publish(f"SKU-{number}")
        sell(shop, f"SKU-{number}")
    shop.ebay.faults.plan("getOrders", Fault.NOT_JSON, after=1, times=None)
    job_id = shop.job("sync_orders")
    shop.waits(job_id, "attempt 1 failed")
    assert len(shop.rows(Order)) == 2
    with shop.database.session() as session:
        assert session.scalars(select(Shop.orders_synced_at)).one() is None
    shop.ebay.faults.clear()
    shop.scene.ended(job_id)
    assert len(shop.rows(Order)) == 5


def test_a_cancelled_order_is_no_sale_and_a_later_cancellation_is_noted(shop: EbayShop) -> None:
    add_product(shop.database, "A-1", quantity=5)
    EbayApp(shop.ebay).publish("A-1", quantity=5)
    shop.ebay.cancel_order(sell(shop, "A-1")["orderId"])
    shop.done("sync_orders")
    assert shop.quantity("A-1") == 5
    second = sell(shop, "A-1")["orderId"]
    shop.done("sync_orders")
    assert shop.quantity("A-1") == 4
    shop.ebay.cancel_order(second)
    shop.done("sync_orders")
    assert {one.status for one in shop.rows(Order)} == {"CANCELED"}
    assert shop.quantity("A-1") == 4


@pytest.mark.parametrize(
    ("stock", "action"), [(1, "delete"), (3, "update")], ids=["sold out", "some are left"]
)
def test_the_sellers_other_shops_follow_once_where_they_are_set_to(
    shop: EbayShop, stock: int, action: str
) -> None:
    product_id = add_product(shop.database, "A-1", quantity=stock)
    followers = [add_shop(shop.database, "vinted"), add_shop(shop.database, "etsy")]
    with shop.database.session.begin() as session:
        for shop_id in followers:
            entry = checked_listing(f"there-{shop_id}", data={"id": 1}, sku="A-1")
            listing_changes.record_listing(session, shop_id, entry, product_id)
        session.get_one(Shop, followers[0]).settings = {"follow_sales": "yes"}
    EbayApp(shop.ebay).publish("A-1", quantity=stock)
    sell(shop, "A-1")
    result = shop.done("sync_orders")
    shop.done("sync_orders")
    others = [one for one in shop.rows(MarketplaceJob) if one.marketplace != "ebay"]
    assert [(one.marketplace, one.shop_id) for one in others] == [("vinted", followers[0])]
    assert [one.id for one in others] == result["jobs"]
    assert others[0].product_id == product_id
    assert others[0].action_type_id in action_ids(shop, "vinted", action)


def action_ids(shop: EbayShop, marketplace: str, action: str) -> set[int]:
    from runtime.storage.queue.action_types import find_action_type

    with shop.database.session() as session:
        found = find_action_type(session, marketplace, action)
        assert found is not None
        return {found.id}


def test_an_order_that_cannot_be_read_is_read_again_and_not_lost(
    shop: EbayShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_product(shop.database, "A-1", quantity=5)
    EbayApp(shop.ebay).publish("A-1", quantity=5)
    sell(shop, "A-1")

    def unread(_: object) -> None:
        raise InputError("its shape is new")

    monkeypatch.setattr("plugins.ebay.sync_orders.parse_order", unread)
    result = shop.done("sync_orders")
    assert (result["new"], result["errors"]) == (0, 1)
    assert "the next sync begins where this one did" in result["warning"]
    monkeypatch.undo()
    assert len(shop.done("sync_orders")["sales"]) == 1
    assert filters(shop) == [None, None]
    assert shop.quantity("A-1") == 4


def test_orders_of_so_many_days_can_be_read_again_and_leave_the_mark_alone(shop: EbayShop) -> None:
    shop.done("sync_orders", days=30)
    (asked,) = filters(shop)
    assert asked is not None
    assert asked.startswith("creationdate:[")
    with shop.database.session() as session:
        assert session.scalars(select(Shop.orders_synced_at)).one() is None
    assert "days must be" in shop.failed("sync_orders", days=0)
    assert "days must be" in shop.failed("sync_orders", days="all")


def test_a_shop_that_was_not_synced_for_years_asks_for_no_more_than_ebay_has(
    shop: EbayShop,
) -> None:
    with shop.database.session.begin() as session:
        window = order_sync.begin_order_sync(session, shop.id)
        order_sync.finish_order_sync(session, shop.id, window["began"])
        stored = session.get_one(Shop, shop.id, populate_existing=True)
        assert stored.orders_synced_at is not None
        stored.orders_synced_at -= timedelta(days=1_000)
    shop.done("sync_orders")
