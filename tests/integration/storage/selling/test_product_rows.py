"""Products in a real database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from runtime.products.product import checked_product
from runtime.storage.models import Listing
from runtime.storage.selling import product_rows
from runtime.storage.selling.listing_changes import live_listing, record_listing
from runtime.storage.selling.listing_rows import checked_listing
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_shop, product_of


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.session() as session:
        yield session


def product(sku: str, **more: Any) -> dict[str, Any]:
    return checked_product({"sku": sku, "title": f"Title {sku}", "price": "5"} | more)


def upsert(
    session: Session, *given: dict[str, Any], user_id: int = 7, **options: Any
) -> tuple[int, int, int]:
    counts = product_rows.upsert_products(session, user_id, given, **options)
    return counts["created"], counts["updated"], counts["unchanged"]


def quantity(session: Session, sku: str) -> int:
    found = product_of(session, sku)
    assert found.data["quantity"] == found.quantity
    return found.quantity


def test_twice_is_the_same_as_once(session: Session) -> None:
    assert upsert(session, product("A"), product("B")) == (2, 0, 0)
    before = product_of(session, "A").updated_at
    assert upsert(session, product("A"), product("B", title="New")) == (0, 1, 1)
    assert upsert(session) == (0, 0, 0)
    assert product_of(session, "B").data["title"] == "New"
    assert product_of(session, "A").updated_at == before


def test_of_two_with_one_sku_the_last_counts(session: Session) -> None:
    assert upsert(session, product("A", title="first"), product("A", title="last")) == (1, 0, 0)
    assert product_of(session, "A").title == "last"


def test_a_sku_is_one_users_own(session: Session) -> None:
    upsert(session, product("A"))
    assert upsert(session, product("A", title="Other"), user_id=8) == (1, 0, 0)
    mine = product_of(session, "A")
    assert mine.title == "Title A"
    assert product_rows.product_by_id(session, 8, mine.id) is None
    assert [one.user_id for one in product_rows.list_products(session)] == [7, 8]


def test_the_same_import_again_does_not_bring_back_what_was_sold(session: Session) -> None:
    upsert(session, product("A", quantity=3))
    product_id = product_of(session, "A").id
    assert product_rows.lower_quantity(session, product_id, 2) == 1
    assert upsert(session, product("A", quantity=3)) == (0, 0, 1)
    assert upsert(session, product("A", quantity=3, title="New")) == (0, 1, 0)
    assert quantity(session, "A") == 1
    assert upsert(session, product("A", quantity=5)) == (0, 1, 0)
    assert quantity(session, "A") == 5
    product_rows.lower_quantity(session, product_id, 1)
    assert upsert(session, product("A", quantity=5), restock=True) == (0, 1, 0)
    assert quantity(session, "A") == 5


def test_a_quantity_is_never_below_zero(session: Session) -> None:
    upsert(session, product("A"))
    product_id = product_of(session, "A").id
    assert product_rows.lower_quantity(session, product_id, 5) == 0
    assert quantity(session, "A") == 0
    assert product_rows.lower_quantity(session, 10**9, 1) is None


def test_what_is_counted_and_what_is_told_cannot_differ(session: Session) -> None:
    upsert(session, product("A"))
    found = product_of(session, "A")
    found.quantity = 9
    with pytest.raises(IntegrityError, match="ck_products_data"):
        session.flush()


def test_imports_at_the_same_time_do_not_wait_for_each_other_for_ever(database: Database) -> None:
    batch = [product(f"S{n}") for n in range(50)]

    def run(given: list[dict[str, Any]]) -> int:
        with database.session.begin() as session:
            return product_rows.upsert_products(session, 7, given)["created"]

    with ThreadPoolExecutor(4) as pool:
        created = sum(pool.map(run, [batch, batch[::-1], batch, batch[::-1]]))
    assert created == 50


def test_a_listing_that_named_its_product_by_sku_names_the_row_once_there_is_one(
    database: Database, session: Session
) -> None:
    shop_id = add_shop(database)
    record_listing(session, shop_id, checked_listing("e1", data={"a": 1}, sku="A"))
    assert live_listing(session, shop_id, None, "A") == {"external_id": "e1", "url": None}
    upsert(session, product("A"))
    found = product_of(session, "A")
    listing = session.scalars(select(Listing).execution_options(populate_existing=True)).one()
    assert (listing.product_id, listing.product_key) == (found.id, f"id:{found.id}")
    assert live_listing(session, shop_id, found.id, "A") == {"external_id": "e1", "url": None}
    session.delete(found)
    session.flush()
    session.expire_all()
    assert session.scalars(select(Listing)).one().product_id is None
