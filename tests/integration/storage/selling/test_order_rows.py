"""Orders in a real database, and what they take from the products."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from runtime.errors import InputError
from runtime.jobs.sales_follower import follow_sales
from runtime.jobs.service import MarketplaceJobService
from runtime.products.order import OrderLineRow, OrderRow, checked_order, checked_order_line
from runtime.products.product import checked_product
from runtime.storage.models import Conversation, MarketplaceActionType, MarketplaceJob, Order, Shop
from runtime.storage.selling import product_rows
from runtime.storage.selling.conversations import upsert_conversation
from runtime.storage.selling.listing_changes import record_listing
from runtime.storage.selling.listing_rows import checked_listing
from runtime.storage.selling.order_rows import Sale, known_orders, upsert_orders
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_shop, product_of


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.session() as session:
        yield session


@pytest.fixture
def shop_id(database: Database) -> int:
    return add_shop(database)


@pytest.fixture
def product_id(session: Session) -> int:
    return add_product(session, "A", 3)


def add_product(session: Session, sku: str, quantity: int) -> int:
    given = checked_product({"sku": sku, "title": sku, "price": 5, "quantity": quantity})
    product_rows.upsert_products(session, 7, [given])
    return product_of(session, sku).id


def an_order(external_id: str = "o1", *lines: OrderLineRow, **more: Any) -> OrderRow:
    return checked_order(
        external_id, lines or [checked_order_line("l1", sku="A")], data={"id": external_id}, **more
    )


def left(session: Session, product_id: int) -> int:
    product = product_rows.product_by_id(session, 7, product_id)
    assert product is not None
    return product.quantity


def test_an_order_is_stored_as_it_is_told(session: Session, shop_id: int, product_id: int) -> None:
    told = an_order(
        status="paid", buyer="Ann", total="12.5", currency="eur", ordered_at="2026-01-09T10:00:00"
    )
    result = upsert_orders(session, shop_id, [told])
    assert (result["new"], result["known"]) == (["o1"], [])
    stored = session.scalars(select(Order)).one()
    assert (stored.status, stored.buyer, stored.total) == ("paid", "Ann", Decimal("12.50"))
    assert stored.ordered_at == datetime(2026, 1, 9, 10, tzinfo=UTC)
    assert known_orders(session, shop_id, ["o1", "o2"]) == ["o1"]
    upsert_orders(session, shop_id, [an_order(status="sent")])
    session.expire_all()
    assert (stored.status, stored.buyer) == ("sent", "Ann")


def test_a_sale_lowers_the_quantity_once(session: Session, shop_id: int, product_id: int) -> None:
    both = [an_order("o1"), an_order("o2", checked_order_line("l1", sku="A", quantity=1))]
    first = upsert_orders(session, shop_id, both)
    assert [sale["left"] for sale in first["sales"]] == [2, 1]
    for again in (both, both[:1], [an_order("o1", checked_order_line("l1", sku="A", quantity=9))]):
        assert upsert_orders(session, shop_id, again)["sales"] == []
    assert left(session, product_id) == 1


def test_the_listing_that_was_sold_tells_the_product(
    session: Session, shop_id: int, product_id: int
) -> None:
    record_listing(session, shop_id, checked_listing("e1", data={"a": 1}), product_id)
    told = an_order(
        "o1", checked_order_line("l1", listing="e1"), checked_order_line("l2", listing="unknown")
    )
    [sale] = upsert_orders(session, shop_id, [told])["sales"]
    assert (sale["product_id"], sale["quantity"], sale["left"]) == (product_id, 1, 2)


def test_a_product_that_becomes_known_later_is_lowered_then(session: Session, shop_id: int) -> None:
    told = [an_order("o1", checked_order_line("l1", sku="B", quantity=2))]
    assert upsert_orders(session, shop_id, told)["sales"] == []
    product_id = add_product(session, "B", 5)
    assert len(upsert_orders(session, shop_id, told)["sales"]) == 1
    assert upsert_orders(session, shop_id, told)["sales"] == []
    assert left(session, product_id) == 3


@pytest.mark.parametrize(
    ("made", "lowers"),
    [
        (timedelta(days=-30), 0),
        (timedelta(hours=-1), 0),
        (timedelta(0), 1),
        (timedelta(hours=1), 1),
    ],
)
def test_what_was_sold_before_there_was_the_product_lowers_nothing(
    session: Session, shop_id: int, product_id: int, made: timedelta, lowers: int
) -> None:
    ordered_at = datetime.now(UTC) + made
    told = [an_order(ordered_at=ordered_at.replace(microsecond=0))]
    for again in (told, [an_order(status="sent")], told):
        upsert_orders(session, shop_id, again)
    assert left(session, product_id) == 3 - lowers


def test_what_is_not_sold_yet_lowers_nothing_until_it_is(
    session: Session, shop_id: int, product_id: int
) -> None:
    assert upsert_orders(session, shop_id, [an_order(sold=False)])["sales"] == []
    assert left(session, product_id) == 3
    assert len(upsert_orders(session, shop_id, [an_order()])["sales"]) == 1


def test_another_users_product_of_that_sku_is_left_alone(
    session: Session, database: Database, product_id: int
) -> None:
    strangers = add_shop(database, user_id=8)
    assert upsert_orders(session, strangers, [an_order()])["sales"] == []
    assert left(session, product_id) == 3


def test_of_many_who_store_one_order_at_once_one_lowers_the_quantity(
    database: Database, session: Session, shop_id: int
) -> None:
    product_id = add_product(session, "A", 3)
    session.commit()

    def store(_: int) -> int:
        with database.session.begin() as own:
            return len(upsert_orders(own, shop_id, [an_order("o2"), an_order("o1")])["sales"])

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(store, range(8))) == 2
    assert left(session, product_id) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: checked_order_line("l1", quantity=0),
        lambda: checked_order_line("", sku="A"),
        lambda: checked_order(None, [], data={}),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(wrong: Callable[..., Any]) -> None:
    with pytest.raises(InputError):
        wrong()


@pytest.mark.parametrize(
    "detail",
    [
        {"total": "much"}, {"total": -1}, {"currency": "EURO"}, {"ordered_at": "yesterday"},
        {"ordered_at": 1e300}, {"status": {"a": 1}}, {"buyer": ["me"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_detail_that_cannot_be_read_hides_no_sale(detail: dict[str, Any]) -> None:
    unread = dict.fromkeys(detail)
    assert an_order("o1", **detail) == an_order("o1", **unread)
    assert an_order("o1", **detail)["lines"]


class TestFollowSales:
    @pytest.fixture
    def ebay(self, session: Session, product_id: int) -> int:
        shop = MarketplaceJobService(session).add_shop("ebay", 7, "ebay-7")
        shop.settings = {"follow_sales": "yes"}
        record_listing(session, shop.id, checked_listing("x1", data={"a": 1}), product_id)
        return shop.id

    def sell(self, session: Session, shop_id: int, order_id: str, pieces: int) -> list[Sale]:
        told = an_order(order_id, checked_order_line("l1", sku="A", quantity=pieces))
        return upsert_orders(session, shop_id, [told])["sales"]

    def action(self, session: Session, job_id: int) -> str:
        job = session.get_one(MarketplaceJob, job_id)
        return session.get_one(MarketplaceActionType, job.action_type_id).code

    def test_other_shops_are_brought_up_to_date_once(
        self, session: Session, shop_id: int, ebay: int, product_id: int
    ) -> None:
        sales = self.sell(session, shop_id, "o1", 1)
        [job_id] = follow_sales(session, shop_id, sales)
        assert follow_sales(session, shop_id, sales) == [job_id]
        job = session.get_one(MarketplaceJob, job_id)
        assert (job.marketplace, job.shop_id, job.product_id) == ("ebay", ebay, product_id)
        assert job.input_data == {"external_id": "x1"}
        [last] = follow_sales(session, shop_id, self.sell(session, shop_id, "o2", 2))
        assert [self.action(session, one) for one in (job_id, last)] == ["update", "delete"]

    def test_the_shop_that_sold_and_those_that_do_not_take_part_are_left_alone(
        self, session: Session, shop_id: int, ebay: int, product_id: int
    ) -> None:
        record_listing(session, shop_id, checked_listing("v1", data={"a": 1}), product_id)
        session.get_one(Shop, ebay).settings = {"follow_sales": "no"}
        session.flush()
        assert follow_sales(session, shop_id, self.sell(session, shop_id, "o1", 3)) == []


def test_a_conversation_is_stored_once_as_it_is_told_last(session: Session, shop_id: int) -> None:
    assert upsert_conversation(session, shop_id, 55, {"messages": [1]})
    assert not upsert_conversation(session, shop_id, "55", {"messages": [1, 2]})
    assert session.scalars(select(Conversation)).one().data == {"messages": [1, 2]}
    with pytest.raises(InputError):
        upsert_conversation(session, shop_id, None, {})
