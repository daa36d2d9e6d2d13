"""orders_vinted and sync_vinted over a real socket."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from plugins.vinted.sandbox import example_item, example_order
from runtime.process.config import Settings
from runtime.storage.server.engine import Database
from tests.support.marketplaces.vinted_seller import (
    Order,
    Product,
    VintedShop,
    only,
    open_shop,
    product,
)

BAD_ANSWERS = [{}, {"late": 0.3}, {"twice": True}, {"drop_after_executing": True}, {"lost": 1}]


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[VintedShop]:
    with open_shop(settings, database) as opened:
        opened.browser()
        yield opened


@pytest.mark.parametrize("faults", BAD_ANSWERS, ids=lambda faults: "-".join(faults) or "well")
def test_all_sales_are_stored_once(shop: VintedShop, faults: dict[str, Any]) -> None:
    shop.calls_end_early()
    for number in range(100):
        shop.wardrobe.sell(example_order(number))
    only(shop.browsers[0], "VINTED_ORDERS", **faults)
    assert shop.done("orders") == {
        "success": True, "new": 100, "updated": 0, "errors": 0, "pages": 2, "sales": [],
        "jobs": [],
    }  # fmt: skip
    rows = shop.rows(Order)
    assert {row.external_id for row in rows} == {str(example_order(n)["id"]) for n in range(100)}
    assert {row.status for row in rows} == {"paid"}


def test_it_stops_where_it_meets_what_is_stored(shop: VintedShop) -> None:
    for number in range(200):
        shop.wardrobe.sell(example_order(number))
    assert shop.done("orders")["pages"] == 3
    shop.wardrobe.sell(example_order(200))
    result = shop.done("orders")
    assert (result["new"], result["updated"], result["pages"]) == (1, 95, 1)
    assert shop.done("orders", full=True)["pages"] == 3


def test_a_sale_lowers_the_quantity_of_its_product_once(shop: VintedShop) -> None:
    shop.add_products(product(quantity=2))
    sold = shop.done("publish", product=product())["external_id"]
    made = {"ordered_at": datetime.now(UTC).isoformat()}
    shop.wardrobe.sell(example_order(1) | made | {"items": [{"id": int(sold), "title": "Robe"}]})
    for _ in range(2):
        shop.done("orders", full=True)
    assert [row.quantity for row in shop.rows(Product)] == [1]
    assert shop.listings() == {sold: "gone"}


def test_a_sale_of_which_not_all_can_be_read_is_a_sale(shop: VintedShop) -> None:
    shop.add_products(product())
    sold = shop.done("publish", product=product())["external_id"]
    items = [{"id": int(sold), "title": "Robe"}]
    shop.wardrobe.sell(example_order(1) | {"items": items, "ordered_at": "today"})
    result = shop.done("orders")
    assert (result["new"], result["errors"]) == (1, 0)
    assert [row.quantity for row in shop.rows(Product)] == [0]
    assert shop.listings() == {sold: "gone"}


def test_a_sale_that_was_cancelled_lowers_nothing(shop: VintedShop) -> None:
    shop.add_products(product(quantity=2))
    sold = shop.done("publish", product=product())["external_id"]
    shop.wardrobe.sell(
        example_order(1)
        | {"status": "cancelled", "items": [{"id": int(sold), "title": "Robe"}]}
        | {"ordered_at": datetime.now(UTC).isoformat()}
    )
    shop.done("orders")
    assert [row.quantity for row in shop.rows(Product)] == [2]


@pytest.mark.parametrize("action", ["orders", "sync"])
@pytest.mark.parametrize(
    "faults",
    [{"session_lost": True}, {"captcha": True}, {"rate_limited": True}, {"wrong_account": "9"}],
    ids=str,
)
def test_trouble_with_the_account_stores_nothing_and_says_nothing_is_gone(
    shop: VintedShop, action: str, faults: dict[str, Any]
) -> None:
    shop.wardrobe.add(example_item(1))
    shop.wardrobe.sell(example_order(2))
    shop.done("sync")
    before = shop.listings()
    for name, value in faults.items():
        setattr(shop.browsers[0].faults, name, value)
    shop.held_up(shop.job(action))
    assert (shop.listings(), shop.rows(Order)) == (before, [])


@pytest.mark.parametrize("action", ["orders", "sync"])
def test_without_any_answer_nothing_is_stored_until_it_is_asked_for_again(
    shop: VintedShop, action: str
) -> None:
    shop.wardrobe.add(example_item(1))
    shop.wardrobe.sell(example_order(2))
    shop.done("sync")
    before = shop.listings()
    shop.wardrobe.add(example_item(3))
    only(shop.browsers[0], f"VINTED_{action.upper()}", never=True)
    shop.unanswered(action)
    assert (shop.listings(), shop.rows(Order)) == (before, [])
    shop.browsers[0].faults.never = False
    shop.done(action)
    stored = len(shop.listings()), len(shop.rows(Order))
    assert stored == ((1, 1) if action == "orders" else (2, 0))


@pytest.mark.parametrize("faults", BAD_ANSWERS, ids=lambda faults: "-".join(faults) or "well")
def test_a_sync_sees_all_that_is_on_sale(shop: VintedShop, faults: dict[str, Any]) -> None:
    shop.calls_end_early()
    for number in range(100):
        shop.wardrobe.add(example_item(number))
    shop.done("sync")
    shop.wardrobe.remove(example_item(50)["id"])
    only(shop.browsers[0], "VINTED_SYNC", **faults)
    result = shop.done("sync")
    assert (result["updated"], result["gone"]) == (99, 1)
    gone = [one for one, status in shop.listings().items() if status == "gone"]
    assert gone == [str(example_item(50)["id"])]
