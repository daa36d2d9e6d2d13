"""Stores the listings of a shop, as walks over its pages have seen them.

A walk is a moment that :func:`begin_walk` returns. Each listing that the walk meets is stamped
with that moment or a later one. Afterwards "not met in this walk" is a comparison of two columns
of the database, whatever clocks, retries and replays lie between the pages.

All functions that take a session run inside the caller's transaction and return JSON values.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NotRequired, TypedDict

from sqlalchemy import CTE, ColumnElement, case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from runtime.errors import InputError
from runtime.storage.models import Listing
from runtime.storage.selling.product_links import NOTHING, ProductLink, links
from runtime.values.marketplace_values import (
    checked_currency,
    checked_data,
    checked_identity,
    checked_price,
    checked_words,
)

_DETAILS = ("title", "price", "currency", "url", "data")


class ListingRow(TypedDict):
    """One listing as a JSON value, which :func:`checked_listing` makes.

    If ``flaw`` says that the details cannot be stored, they are omitted: the listing is known to
    be on sale, and the details of an earlier walk stay. ``sku`` is present if the marketplace
    tells it.
    """

    external_id: str
    title: str | None
    price: str | None
    currency: str | None
    url: str | None
    data: dict[str, Any]
    flaw: str | None
    sku: NotRequired[str]


class ListingCounts(TypedDict):
    """The numbers of listings that were new, were known, or could be stored only by their id."""

    imported: int
    updated: int
    errors: int


def checked_listing(
    external_id: object,
    *,
    data: dict[str, Any],
    title: object = None,
    price: object = None,
    currency: object = None,
    url: object = None,
    sku: object = None,
) -> ListingRow:
    """Check the data of a marketplace on one listing.

    Args:
        external_id: the marketplace's own id of the listing, a string or an integer.
        data: all data of the marketplace on the listing; not empty.
        price: a number, or a string that holds one.
        sku: the seller's own name of the product, which links the listing to the product.

    Raises:
        InputError: the id is missing or cannot be used, so that nobody knows which listing it
            is. Unusable details raise nothing; they become the row's ``flaw``.
    """
    identity = checked_identity(external_id, "a listing's id")
    try:
        if not data:
            raise InputError("the marketplace says nothing of the listing but its id")
        checked = ListingRow(
            external_id=identity,
            title=checked_words(title, "title"),
            price=checked_price(price, "price"),
            currency=checked_currency(currency),
            url=checked_words(url, "url"),
            data=checked_data(data, "the listing"),
            flaw=None,
        )
        if sku is not None:
            checked["sku"] = checked_identity(sku, "a SKU")
    except InputError as problem:
        return ListingRow(
            external_id=identity,
            title=None,
            price=None,
            currency=None,
            url=None,
            data={},
            flaw=str(problem),
        )
    return checked


def begin_walk(session: Session, shop_id: int) -> str:
    """Begin a walk: return a moment as ISO text, later than every stamp in this shop so far.

    It is also later than stamps of a database server whose clock has been set back since, and
    than stamps of another walk in this very microsecond.
    """
    latest = select(func.max(Listing.last_seen_at)).where(Listing.shop_id == shop_id)
    moment: datetime = session.scalars(
        select(func.greatest(func.now(), latest.scalar_subquery() + timedelta(microseconds=1)))
    ).one()
    return moment.isoformat()


def upsert_listings(
    session: Session, shop_id: int, walk: str, rows: Sequence[ListingRow]
) -> ListingCounts:
    """Store one page of a walk; listings that were gone are live again.

    A listing counts once in a walk, however often the walk meets it.
    """
    # PostgreSQL updates no row twice in one statement.
    unique = _without_duplicates(rows)
    if not unique:
        return ListingCounts(imported=0, updated=0, errors=0)
    walked = datetime.fromisoformat(walk)
    flawed = {one["external_id"] for one in unique if one["flaw"]}
    # Both parts of the statement see the rows as they were before it. So this is what was known,
    # although the insert stands in the same statement.
    known = (
        select(Listing.external_id, Listing.last_seen_at)
        .where(Listing.shop_id == shop_id)
        .where(Listing.external_id.in_([one["external_id"] for one in unique]))
        .cte("known")
    )
    linked = links(session, shop_id, {sku for one in unique if (sku := one.get("sku"))})
    seen = _upsert_statement(shop_id, walked, unique, linked)
    sightings = session.execute(
        select(seen.c.external_id, known.c.last_seen_at).outerjoin(
            known, known.c.external_id == seen.c.external_id
        )
    )
    counts = ListingCounts(imported=0, updated=0, errors=0)
    for external_id, seen_before in sightings:
        # The walk, or a former run of its page, has met this listing already.
        if seen_before is not None and seen_before >= walked:
            continue
        if external_id in flawed:
            counts["errors"] += 1
        elif seen_before is None:
            counts["imported"] += 1
        else:
            counts["updated"] += 1
    return counts


def count_unseen_listings(session: Session, shop_id: int, walk: str) -> int:
    """Return how many live listings the walk has not met so far."""
    return session.scalars(
        select(func.count()).select_from(Listing).where(*_unseen(shop_id, walk))
    ).one()


def mark_unseen_gone(session: Session, shop_id: int, walk: str) -> int:
    """Mark the live listings that the walk has not met as gone; returns how many.

    The caller must know that the walk has met all listings.
    """
    marked = session.scalars(
        update(Listing)
        .where(*_unseen(shop_id, walk))
        .values(status="gone", gone_at=func.now())
        .returning(Listing.id)
        .execution_options(synchronize_session=False)
    )
    return len(marked.all())


def _unseen(shop_id: int, walk: str) -> tuple[ColumnElement[bool], ...]:
    return (
        Listing.shop_id == shop_id,
        Listing.status == "live",
        Listing.last_seen_at < datetime.fromisoformat(walk),
    )


def _upsert_statement(
    shop_id: int, walked: datetime, rows: Iterable[ListingRow], linked: Mapping[str, ProductLink]
) -> CTE:
    # The stamp is never earlier than the walk, even if the server's clock was set back since.
    sighted = func.greatest(func.now(), walked)
    statement = insert(Listing).values(
        [
            {
                "shop_id": shop_id,
                "external_id": one["external_id"],
                **{name: one[name] for name in _DETAILS},  # type: ignore[literal-required]
                **linked.get(one.get("sku") or "", NOTHING)._asdict(),
                "last_seen_at": sighted,
            }
            for one in rows
        ]
    )
    told = statement.excluded
    # A row without details only tells that the listing is on sale, and erases no details.
    described = told.data != {}
    # A link to a product's row is worth more than a SKU alone, and is not replaced by one.
    links_better = or_(told.product_id.is_not(None), Listing.product_id.is_(None))
    return (
        statement.on_conflict_do_update(
            index_elements=[Listing.shop_id, Listing.external_id],
            set_={
                "status": "live",
                "gone_at": None,
                "last_seen_at": told.last_seen_at,
                **{
                    name: case((described, told[name]), else_=getattr(Listing, name))
                    for name in _DETAILS
                },
                **{
                    name: case(
                        (links_better, func.coalesce(told[name], getattr(Listing, name))),
                        else_=getattr(Listing, name),
                    )
                    for name in ProductLink._fields
                },
            },
        )
        .returning(Listing.external_id)
        .cte("seen")
    )


def _without_duplicates(rows: Iterable[ListingRow]) -> list[ListingRow]:
    """Return one row for each id: the last with details, or otherwise the last without."""
    unique: dict[str, ListingRow] = {}
    for one in rows:
        if not one["flaw"] or one["external_id"] not in unique:
            unique[one["external_id"]] = one
    # All transactions use this order, so that two of them never wait for each other's rows.
    return [unique[external_id] for external_id in sorted(unique)]
