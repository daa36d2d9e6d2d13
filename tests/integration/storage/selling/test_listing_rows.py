"""The listings of a shop in a real database."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from plugins.vinted.sandbox import Wardrobe, example_item
from plugins.vinted.sync import SyncVinted
from runtime.errors import InputError
from runtime.runs.job import Shop as ShopOfJob
from runtime.storage.models import Listing, Shop
from runtime.storage.selling import listing_rows
from runtime.storage.selling.listing_rows import ListingRow
from runtime.storage.server.engine import Database
from tests.support.handlers.handler_harness import Browser, HandlerRun, drive, make_job


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.session() as session:
        yield session


def new_shop(session: Session) -> int:
    number = session.scalars(text("SELECT coalesce(max(id), 0) FROM marketplace_runtime.shops"))
    shop = Shop(marketplace="vinted", user_id=7, external_id=f"listings-{number.one()}")
    session.add(shop)
    session.flush()
    return shop.id


@pytest.fixture
def shop_id(session: Session) -> int:
    return new_shop(session)


def a_row(external_id: object, **details: Any) -> ListingRow:
    details = {"title": f"Item {external_id}", "price": "5.50", "currency": "EUR", **details}
    return listing_rows.checked_listing(
        external_id, **{"data": {"id": external_id, **details}, **details}
    )


def counts(imported: int = 0, updated: int = 0, errors: int = 0) -> dict[str, int]:
    return {"imported": imported, "updated": updated, "errors": errors}


def stored(session: Session, shop_id: int) -> dict[str, Listing]:
    query = select(Listing).where(Listing.shop_id == shop_id)
    session.expire_all()
    return {listing.external_id: listing for listing in session.scalars(query)}


def live(session: Session, shop_id: int) -> set[str]:
    return {key for key, one in stored(session, shop_id).items() if one.status == "live"}


class TestUpsert:
    def test_stores_what_is_told(self, session: Session, shop_id: int) -> None:
        walk = listing_rows.begin_walk(session, shop_id)
        row = a_row(4_000_000_001, url="https://example.org/1")
        assert listing_rows.upsert_listings(session, shop_id, walk, [row]) == counts(imported=1)
        [listing] = stored(session, shop_id).values()
        assert listing.external_id == "4000000001"
        assert listing.title == "Item 4000000001"
        assert listing.price == Decimal("5.50")
        assert listing.currency == "EUR"
        assert listing.url == "https://example.org/1"
        assert listing.data == row["data"]
        assert listing.status == "live"
        assert listing.gone_at is None

    def test_the_newest_details_replace_the_older(self, session: Session, shop_id: int) -> None:
        for walked, price in enumerate(("5.50", None, "7")):
            walk = listing_rows.begin_walk(session, shop_id)
            told = listing_rows.upsert_listings(session, shop_id, walk, [a_row(1, price=price)])
            assert told == (counts(updated=1) if walked else counts(imported=1))
        assert stored(session, shop_id)["1"].price == Decimal(7)

    def test_an_empty_page_stores_nothing(self, session: Session, shop_id: int) -> None:
        walk = listing_rows.begin_walk(session, shop_id)
        assert listing_rows.upsert_listings(session, shop_id, walk, []) == counts()

    def test_of_a_listing_twice_on_a_page_the_last_counts(
        self, session: Session, shop_id: int
    ) -> None:
        walk = listing_rows.begin_walk(session, shop_id)
        page = [a_row(1, title="first"), a_row(2), a_row(1, title="last")]
        assert listing_rows.upsert_listings(session, shop_id, walk, page) == counts(imported=2)
        assert stored(session, shop_id)["1"].title == "last"

    def test_a_listing_on_two_pages_counts_once(self, session: Session, shop_id: int) -> None:
        walk = listing_rows.begin_walk(session, shop_id)
        listing_rows.upsert_listings(session, shop_id, walk, [a_row(1), a_row(2)])
        told = listing_rows.upsert_listings(
            session, shop_id, walk, [a_row(2, title="later"), a_row(3)]
        )
        assert told == counts(imported=1)
        assert stored(session, shop_id)["2"].title == "later"

    def test_details_that_cannot_be_stored_spoil_only_their_own_row(
        self, session: Session, shop_id: int
    ) -> None:
        walk = listing_rows.begin_walk(session, shop_id)
        page = [a_row(1), a_row(2, title="a\0b"), a_row(3, price="1e999"), a_row(4)]
        assert listing_rows.upsert_listings(session, shop_id, walk, page) == counts(
            imported=2, errors=2
        )
        assert live(session, shop_id) == {"1", "2", "3", "4"}
        assert stored(session, shop_id)["2"].title is None

    def test_details_that_cannot_be_stored_leave_the_older_ones(
        self, session: Session, shop_id: int
    ) -> None:
        walk = listing_rows.begin_walk(session, shop_id)
        listing_rows.upsert_listings(session, shop_id, walk, [a_row(1, title="fine")])
        walk = listing_rows.begin_walk(session, shop_id)
        told = listing_rows.upsert_listings(
            session, shop_id, walk, [a_row(1, title="a\0b", price=None)]
        )
        assert told == counts(errors=1)
        listing = stored(session, shop_id)["1"]
        assert (listing.title, listing.price) == ("fine", Decimal("5.50"))
        assert listing_rows.mark_unseen_gone(session, shop_id, walk) == 0

    def test_of_a_listing_twice_on_a_page_the_one_with_details_counts(
        self, session: Session, shop_id: int
    ) -> None:
        walk = listing_rows.begin_walk(session, shop_id)
        page = [a_row(1, title="a\0b"), a_row(1, title="fine"), a_row(1, price="NaN")]
        assert listing_rows.upsert_listings(session, shop_id, walk, page) == counts(imported=1)
        assert stored(session, shop_id)["1"].title == "fine"

    @pytest.mark.parametrize(
        ("price", "kept"),
        [
            ("9999999999.99", "9999999999.99"),
            (0, "0"),
            ("-0", "0"),
            ("1e-30", "0"),
            (12.349, "12.35"),
            ("9999999999.989", "9999999999.99"),
            (None, None),
        ],
    )
    def test_prices_at_the_limits(
        self, session: Session, shop_id: int, price: str | int | float | None, kept: str | None
    ) -> None:
        walk = listing_rows.begin_walk(session, shop_id)
        assert (
            listing_rows.upsert_listings(session, shop_id, walk, [a_row(1, price=price)])[
                "imported"
            ]
            == 1
        )
        assert stored(session, shop_id)["1"].price == (None if kept is None else Decimal(kept))

    @pytest.mark.parametrize("price", ["10000000000", "9999999999.991", -1, "inf", "", "12,50"])
    def test_prices_beyond_the_limits_are_flaws(self, price: str | int) -> None:
        assert a_row(1, price=price)["flaw"]

    def test_a_listing_without_a_usable_id_cannot_be_a_row(self) -> None:
        with pytest.raises(InputError, match="id may have 255 characters, not 256"):
            a_row("x" * 256)

    def test_shops_do_not_share_listings(self, session: Session, shop_id: int) -> None:
        other = new_shop(session)
        walk = listing_rows.begin_walk(session, shop_id)
        listing_rows.upsert_listings(session, shop_id, walk, [a_row(1)])
        assert listing_rows.upsert_listings(session, other, walk, [a_row(1)]) == counts(imported=1)
        later = listing_rows.begin_walk(session, other)
        assert listing_rows.mark_unseen_gone(session, other, later) == 1
        assert live(session, shop_id) == {"1"}


class TestWalk:
    def test_is_a_moment_as_text(self, session: Session, shop_id: int) -> None:
        assert datetime.fromisoformat(listing_rows.begin_walk(session, shop_id)).tzinfo is not None

    def test_is_later_than_every_sighting(self, session: Session, shop_id: int) -> None:
        walk = listing_rows.begin_walk(session, shop_id)
        listing_rows.upsert_listings(session, shop_id, walk, [a_row(1)])
        assert listing_rows.begin_walk(session, shop_id) > walk

    def test_marks_what_it_did_not_meet(self, session: Session, shop_id: int) -> None:
        first = listing_rows.begin_walk(session, shop_id)
        listing_rows.upsert_listings(session, shop_id, first, [a_row(1), a_row(2), a_row(3)])
        second = listing_rows.begin_walk(session, shop_id)
        listing_rows.upsert_listings(session, shop_id, second, [a_row(2)])
        assert listing_rows.count_unseen_listings(session, shop_id, second) == 2
        assert listing_rows.mark_unseen_gone(session, shop_id, second) == 2
        assert listing_rows.mark_unseen_gone(session, shop_id, second) == 0
        assert live(session, shop_id) == {"2"}
        assert stored(session, shop_id)["1"].gone_at is not None
        assert stored(session, shop_id)["2"].gone_at is None

    def test_what_was_gone_is_live_again_when_met(self, session: Session, shop_id: int) -> None:
        walk = listing_rows.begin_walk(session, shop_id)
        listing_rows.upsert_listings(session, shop_id, walk, [a_row(1)])
        walk = listing_rows.begin_walk(session, shop_id)
        listing_rows.mark_unseen_gone(session, shop_id, walk)
        first_seen = stored(session, shop_id)["1"].first_seen_at
        walk = listing_rows.begin_walk(session, shop_id)
        assert listing_rows.upsert_listings(session, shop_id, walk, [a_row(1)]) == counts(updated=1)
        listing = stored(session, shop_id)["1"]
        assert (listing.status, listing.gone_at) == ("live", None)
        assert listing.first_seen_at == first_seen

    def test_holds_where_the_servers_clock_was_set_back(
        self, session: Session, shop_id: int
    ) -> None:
        """Everything so far was stamped by a clock that was a day ahead."""
        walk = listing_rows.begin_walk(session, shop_id)
        listing_rows.upsert_listings(session, shop_id, walk, [a_row(1), a_row(2)])
        ahead = timedelta(days=1)
        session.execute(update(Listing).values(last_seen_at=Listing.last_seen_at + ahead))
        walk = listing_rows.begin_walk(session, shop_id)
        listing_rows.upsert_listings(session, shop_id, walk, [a_row(2)])
        assert listing_rows.mark_unseen_gone(session, shop_id, walk) == 1
        assert live(session, shop_id) == {"2"}

    def test_what_another_put_on_sale_meanwhile_is_not_gone(
        self, session: Session, shop_id: int
    ) -> None:
        walk = listing_rows.begin_walk(session, shop_id)
        session.add(Listing(shop_id=shop_id, external_id="new"))
        session.flush()
        assert listing_rows.mark_unseen_gone(session, shop_id, walk) == 0


class TestSync:
    def sync(self, session: Session, shop_id: int, browser: Browser) -> HandlerRun:
        job = make_job(shop=ShopOfJob(id=shop_id, external_id="123"))
        return drive(SyncVinted, job, browser, session=session)

    def test_eighteen_pages_and_then_seventeen(self, session: Session, shop_id: int) -> None:
        wardrobe = Wardrobe.of(1_700)

        def browser(action: str, payload: dict[str, Any]) -> Any:
            return wardrobe.page(payload["page"], payload["per_page"])

        result = self.sync(session, shop_id, browser).result
        assert (result["imported"], result["updated"], result["pages"]) == (1_700, 0, 18)
        for number in range(1, 100):
            wardrobe.remove(example_item(number)["id"])
        result = self.sync(session, shop_id, browser).result
        assert (result["updated"], result["gone"], result["pages"]) == (1_601, 99, 17)
        assert live(session, shop_id) == {str(item["id"]) for item in wardrobe.items()}

    def test_a_walk_that_breaks_after_the_first_page_leaves_all_on_sale(
        self, session: Session, shop_id: int
    ) -> None:
        wardrobe = Wardrobe.of(1_700)
        self.sync(session, shop_id, lambda _, payload: wardrobe.page(payload["page"]))
        empty: dict[str, Any] = {"items": [], "pagination": None}
        run = self.sync(
            session,
            shop_id,
            lambda _, payload: wardrobe.page(1) if payload["page"] == 1 else empty,
        )
        assert "`pagination` is not an object" in str(run.error)
        assert len(live(session, shop_id)) == 1_700
