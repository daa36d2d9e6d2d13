"""The changes of a handler to one listing, in a real database."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Session

from runtime.jobs.service import MarketplaceJobService
from runtime.products.product import checked_product
from runtime.storage.models import Listing
from runtime.storage.selling import listing_rows, product_rows
from runtime.storage.selling.listing_changes import (
    link_listing,
    live_listing,
    mark_listing_gone,
    record_listing,
)
from runtime.storage.selling.listing_rows import ListingRow
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
    product_rows.upsert_products(
        session, 7, [checked_product({"sku": "A", "title": "A", "price": 5})]
    )
    return product_of(session, "A").id


def a_row(external_id: str = "e1", **more: Any) -> ListingRow:
    return listing_rows.checked_listing(external_id, data={"id": external_id}, **more)


def stored(session: Session, listing_id: int) -> Listing:
    return session.get_one(Listing, listing_id, populate_existing=True)


def test_a_listing_that_was_made_is_recorded_once_with_its_product(
    session: Session, shop_id: int, product_id: int
) -> None:
    given = a_row(title="Jeans", price=5, currency="EUR", url="https://x.example/1", sku="A")
    recorded = record_listing(session, shop_id, given, product_id)
    assert record_listing(session, shop_id, given, product_id) == recorded
    listing = stored(session, recorded)
    assert (listing.product_id, listing.product_key) == (product_id, f"id:{product_id}")
    assert (listing.status, listing.title, listing.url) == ("live", "Jeans", "https://x.example/1")
    assert live_listing(session, shop_id, product_id, "A") == {
        "external_id": "e1",
        "url": "https://x.example/1",
    }
    other = MarketplaceJobService(session).add_shop("vinted", 7, "second")
    assert live_listing(session, other.id, product_id, "A") is None


def test_the_sku_alone_finds_the_product(session: Session, shop_id: int, product_id: int) -> None:
    assert (
        stored(session, record_listing(session, shop_id, a_row(sku="A"))).product_id == product_id
    )
    other = stored(session, record_listing(session, shop_id, a_row("e2", sku="B")))
    assert (other.product_id, other.product_key) == (None, "sku:B")
    assert stored(session, record_listing(session, shop_id, a_row("e3"))).product_key is None


def test_a_walk_that_says_less_takes_no_product_away(
    session: Session, shop_id: int, product_id: int
) -> None:
    recorded = record_listing(session, shop_id, a_row(), product_id)
    for sku in (None, "B"):
        walk = listing_rows.begin_walk(session, shop_id)
        listing_rows.upsert_listings(session, shop_id, walk, [a_row(sku=sku)])
        assert stored(session, recorded).product_key == f"id:{product_id}"


def test_a_listing_recorded_during_a_walk_is_not_marked_gone_by_it(
    session: Session, shop_id: int
) -> None:
    walk = listing_rows.begin_walk(session, shop_id)
    record_listing(session, shop_id, a_row())
    assert listing_rows.mark_unseen_gone(session, shop_id, walk) == 0


def test_gone_is_gone_once_and_live_again_when_recorded(
    session: Session, shop_id: int, product_id: int
) -> None:
    recorded = record_listing(session, shop_id, a_row(), product_id)
    assert mark_listing_gone(session, shop_id, "e1")
    assert not mark_listing_gone(session, shop_id, "e1")
    assert not mark_listing_gone(session, shop_id, "unknown")
    assert live_listing(session, shop_id, product_id, "A") is None
    assert record_listing(session, shop_id, a_row(), product_id) == recorded
    assert stored(session, recorded).gone_at is None


def test_a_listing_can_be_linked_later(session: Session, shop_id: int, product_id: int) -> None:
    recorded = record_listing(session, shop_id, a_row())
    assert link_listing(session, shop_id, "e1", product_id)
    assert not link_listing(session, shop_id, "unknown", product_id)
    assert stored(session, recorded).product_id == product_id


def test_the_newest_of_several_listings_of_a_product_is_found(
    session: Session, shop_id: int, product_id: int
) -> None:
    for external_id in ("e1", "e2"):
        record_listing(session, shop_id, a_row(external_id), product_id)
    newest = live_listing(session, shop_id, product_id, None)
    assert newest is not None
    assert newest["external_id"] == "e2"
    assert live_listing(session, shop_id, None, None) is None
