"""Stores the changes that a handler made to one listing of a shop.

All functions run inside the caller's transaction, and a second call changes nothing.
"""

from typing import TypedDict

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from runtime.storage.models import Listing
from runtime.storage.selling.listing_rows import ListingRow, begin_walk, upsert_listings
from runtime.storage.selling.product_links import ProductLink, product_keys, product_link


class ListingAddress(TypedDict):
    """A listing that is on sale."""

    external_id: str
    url: str | None


def record_listing(
    session: Session, shop_id: int, row: ListingRow, product_id: int | None = None
) -> int:
    """Store a listing that is on sale now; returns its id.

    Args:
        row: the result of :func:`runtime.store.checked_listing`; its ``sku`` names the product.
        product_id: the id of the job's product, or None.
    """
    # A walk of its own gives the listing the newest stamp: a sync that is under way, and has passed
    # its page already, then does not take it for gone.
    upsert_listings(session, shop_id, begin_walk(session, shop_id), [row])
    if product_id is not None:
        _set_link(session, shop_id, row["external_id"], product_link(product_id, row.get("sku")))
    return session.scalars(
        select(Listing.id).where(
            Listing.shop_id == shop_id, Listing.external_id == row["external_id"]
        )
    ).one()


def link_listing(session: Session, shop_id: int, external_id: str, product_id: int) -> bool:
    """Link a listing to the product that it sells; returns whether the listing is known."""
    return _set_link(session, shop_id, external_id, product_link(product_id, None))


def mark_listing_gone(session: Session, shop_id: int, external_id: str) -> bool:
    """Mark a listing as not on sale any more; returns whether it was live before."""
    marked = session.scalars(
        update(Listing)
        .where(
            Listing.shop_id == shop_id,
            Listing.external_id == external_id,
            # A second call finds nothing, so the time at which the listing went stays the first
            # one.
            Listing.status == "live",
        )
        .values(status="gone", gone_at=func.now(), last_seen_at=func.now())
        .returning(Listing.id)
        .execution_options(synchronize_session=False)
    )
    return marked.one_or_none() is not None


def live_listing(
    session: Session, shop_id: int, product_id: int | None, sku: str | None
) -> ListingAddress | None:
    """Return the newest listing of a product that is on sale in the shop, or None."""
    row = session.execute(
        select(Listing.external_id, Listing.url)
        .where(
            Listing.shop_id == shop_id,
            Listing.product_key.in_(product_keys(product_id, sku)),
            Listing.status == "live",
        )
        .order_by(Listing.id.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else ListingAddress(external_id=row.external_id, url=row.url)


def _set_link(session: Session, shop_id: int, external_id: str, to: ProductLink) -> bool:
    linked = session.scalars(
        update(Listing)
        .where(Listing.shop_id == shop_id, Listing.external_id == external_id)
        .values(product_id=to.product_id, product_key=to.product_key)
        .returning(Listing.id)
        .execution_options(synchronize_session=False)
    )
    return linked.one_or_none() is not None
