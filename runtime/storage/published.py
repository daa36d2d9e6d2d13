"""Which product a listing sells, as the handlers say that put it on sale, change it and end it.

    from runtime.storage import published

A listing sells one product at most, and the first job that says so is right: of two jobs that
look for what became of their publishing, only one can take the same listing for its own.

All functions run inside the caller's transaction and return JSON values.
"""

from collections.abc import Sequence

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from runtime.errors import InputError
from runtime.storage.listings import ListingRow
from runtime.storage.models import Listing

_DETAILS = ("title", "price", "currency", "url", "data")


class ListingTaken(InputError):
    """The listing sells another product."""


def adopt(
    session: Session,
    shop_id: int,
    product_key: str | None,
    product_id: int | None,
    candidates: Sequence[ListingRow],
) -> ListingRow:
    """Store the first of the listings that sells no other product as live, and as this one's.

    Args:
        product_key: None: of a product without a name; then any listing will do that has none.

    Raises:
        ListingTaken: all of them sell other products; nothing was written.
    """
    for one in candidates:
        if _taken_over(session, shop_id, product_key, product_id, one):
            return one
    ids = ", ".join(one["external_id"] for one in candidates)
    raise ListingTaken(f"the listing {ids} sells another product already")


def _taken_over(
    session: Session, shop_id: int, product_key: str | None, product_id: int | None, one: ListingRow
) -> bool:
    values = {name: one[name] for name in _DETAILS}  # type: ignore[literal-required]
    owner = {"product_key": product_key, "product_id": product_id}
    statement = insert(Listing).values(
        shop_id=shop_id, external_id=one["external_id"], **values, **owner
    )
    stored = session.scalars(
        statement.on_conflict_do_update(
            index_elements=[Listing.shop_id, Listing.external_id],
            set_={
                **{name: getattr(statement.excluded, name) for name in (*values, *owner)},
                "status": "live",
                "gone_at": None,
                "last_seen_at": func.greatest(Listing.last_seen_at, func.now()),
            },
            where=or_(Listing.product_key.is_(None), Listing.product_key == product_key),
        ).returning(Listing.id)
    )
    return stored.one_or_none() is not None


def live(session: Session, shop_id: int, product_key: str) -> list[str]:
    """The external ids of the product's live listings, the newest first."""
    found = session.scalars(
        select(Listing.external_id)
        .where(
            Listing.shop_id == shop_id,
            Listing.product_key == product_key,
            Listing.status == "live",
        )
        .order_by(Listing.first_seen_at.desc(), Listing.id.desc())
    )
    return list(found)


def was_listed(session: Session, shop_id: int, product_key: str) -> bool:
    """Whether the product has, or had, a listing in the shop."""
    query = select(Listing.id).where(
        Listing.shop_id == shop_id, Listing.product_key == product_key
    )
    return session.scalars(query.limit(1)).first() is not None


def describe(
    session: Session,
    shop_id: int,
    external_id: str,
    title: str,
    price: str,
    currency: str | None,
) -> None:
    """Note what a listing says since it was changed."""
    session.execute(
        update(Listing)
        .where(Listing.shop_id == shop_id, Listing.external_id == external_id)
        .values(title=title, price=price, currency=func.coalesce(currency, Listing.currency))
        .execution_options(synchronize_session=False)
    )


def end(session: Session, shop_id: int, external_id: str) -> None:
    """Note that a listing is not on sale any more."""
    session.execute(
        update(Listing)
        .where(
            Listing.shop_id == shop_id,
            Listing.external_id == external_id,
            Listing.status == "live",
        )
        .values(status="gone", gone_at=func.now())
        .execution_options(synchronize_session=False)
    )
