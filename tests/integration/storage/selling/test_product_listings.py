"""Which listing is whose, and which job sent which message: in the real database."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Session

from runtime.jobs.service import MarketplaceJobService
from runtime.storage.models import Conversation, Listing
from runtime.storage.selling import listing_rows, product_listings
from runtime.storage.selling.listing_changes import mark_listing_gone
from runtime.storage.selling.sent_messages import MessageTaken, record_sent_message
from runtime.storage.server.engine import Database


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.session.begin() as opened:
        yield opened


@pytest.fixture
def shop(session: Session) -> int:
    return MarketplaceJobService(session).add_shop("vinted", 7, "123").id


def row(number: int) -> listing_rows.ListingRow:
    return listing_rows.checked_listing(
        number, title="Robe", price="12.50", url=f"/{number}", data={"id": number}
    )


def adopt(session: Session, shop: int, sku: str, *numbers: int) -> str | None:
    candidates = [row(one) for one in numbers]
    return product_listings.adopt_listing(session, shop, None, sku, candidates)["external_id"]


class TestAdopt:
    def test_takes_the_first_that_is_free(self, session: Session, shop: int) -> None:
        assert adopt(session, shop, "A", 1) == "1"
        assert adopt(session, shop, "B", 1, 2) == "2"
        assert adopt(session, shop, "A", 2, 1) == "1"
        keys = {one.external_id: one.product_key for one in session.query(Listing)}
        assert keys == {"1": "sku:A", "2": "sku:B"}

    def test_refuses_where_none_is_free_and_writes_nothing(
        self, session: Session, shop: int
    ) -> None:
        adopt(session, shop, "A", 1)
        with pytest.raises(
            product_listings.ListingTaken, match="the listing 1 sells another product"
        ):
            adopt(session, shop, "B", 1)
        assert [one.product_key for one in session.query(Listing)] == ["sku:A"]

    def test_takes_what_a_sync_has_seen_already(self, session: Session, shop: int) -> None:
        walk = listing_rows.begin_walk(session, shop)
        listing_rows.upsert_listings(session, shop, walk, [row(1)])
        assert adopt(session, shop, "A", 1) == "1"
        assert [one.product_key for one in session.query(Listing)] == ["sku:A"]

    def test_what_is_gone_is_known_and_not_live(self, session: Session, shop: int) -> None:
        for number in (1, 2):
            adopt(session, shop, "A", number)
        assert product_listings.product_listings(session, shop, None, "A")["live"] == ["2", "1"]
        for number in (1, 2):
            mark_listing_gone(session, shop, str(number))
        assert product_listings.product_listings(session, shop, None, "A") == {
            "live": [],
            "known": True,
        }
        assert product_listings.product_listings(session, shop, None, "B") == {
            "live": [],
            "known": False,
        }
        assert product_listings.product_listings(session, shop, None, None)["known"] is False

    def test_a_change_is_noted_and_leaves_what_it_does_not_tell(
        self, session: Session, shop: int
    ) -> None:
        adopt(session, shop, "A", 1)
        told = {"title": "Rouge", "price": "9.00", "currency": None}
        product_listings.describe_listing(session, shop, "1", told)
        (one,) = session.query(Listing)
        session.refresh(one)
        assert (one.title, str(one.price), one.url, one.data) == ("Rouge", "9.00", "/1", {"id": 1})


class TestSentMessages:
    def said(self, number: int, text: str = "Yes.") -> dict[str, Any]:
        return {"id": number, "text": text, "from_seller": True}

    def test_a_message_is_one_jobs(self, session: Session, shop: int) -> None:
        first = record_sent_message(session, shop, "5", "job-1", None, [self.said(1)])
        second = record_sent_message(
            session, shop, "5", "job-2", None, [self.said(1), self.said(2)]
        )
        assert (first["id"], second["id"]) == (1, 2)
        assert record_sent_message(session, shop, "5", "job-1", None, [self.said(1)])["id"] == 1
        with pytest.raises(MessageTaken):
            record_sent_message(session, shop, "5", "job-3", None, [self.said(1)])

    def test_it_is_kept_with_what_is_known_of_the_conversation(
        self, session: Session, shop: int
    ) -> None:
        talk = {"id": 5, "buyer": {"login": "b"}, "messages": [{"id": 1, "text": "Hello?"}]}
        record_sent_message(session, shop, "5", "job-1", talk, [self.said(2)])
        (one,) = session.query(Conversation)
        assert one.data["buyer"] == {"login": "b"}
        assert [message["id"] for message in one.data["messages"]] == [1, 2]

    def test_a_conversation_of_any_size_keeps_its_last_messages(
        self, session: Session, shop: int
    ) -> None:
        talk = {"id": 5, "messages": [self.said(n, "x" * 2_000) for n in range(100)]}
        record_sent_message(session, shop, "5", "job-1", talk, [self.said(100, "Yes.")])
        (one,) = session.query(Conversation)
        kept = [message["id"] for message in one.data["messages"]]
        assert kept == list(range(kept[0], 101))
        assert len(kept) > 10
        assert one.data["sent"] == {"100": "job-1"}
