"""Assigns listings to products, for the handlers that publish, change and end listings.

A listing sells one product at most, and the first job that claims it wins: two jobs that look for
the listings of their lost publishings cannot take the same listing.

All functions run inside the caller's transaction.
"""

from collections.abc import Sequence
from typing import Any, TypedDict

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from runtime.errors import InputError
from runtime.storage.models import Listing, Shop
from runtime.storage.selling.listing_changes import record_listing
from runtime.storage.selling.listing_rows import ListingRow
from runtime.storage.selling.product_links import product_keys


class ListingTaken(InputError):
    """The listing belongs to another product."""


class ProductListings(TypedDict):
    """A product's listings in a shop: the ids of the live ones, and whether there were any."""

    live: list[str]
    known: bool


class LiveListing(TypedDict):
    """A listing that is on sale, and all data of the marketplace on it."""

    external_id: str
    data: dict[str, Any]


def adopt_listing(
    session: Session,
    shop_id: int,
    product_id: int | None,
    sku: str,
    candidates: Sequence[ListingRow],
) -> ListingRow:
    """Store the first listing that sells no other product as a live listing of this product.

    Raises:
        ListingTaken: all of them sell other products; nothing was written.
    """
    # The lock is on the shop, because a listing that has no row yet cannot be locked.
    shop = select(Shop.id).where(Shop.id == shop_id)
    # This strength of lock lets others insert rows that refer to the shop.
    session.execute(shop.with_for_update(key_share=True))
    ids = [one["external_id"] for one in candidates]
    others = select(Listing.external_id).where(
        Listing.shop_id == shop_id,
        Listing.external_id.in_(ids),
        # A listing whose product is not known has a NULL here, is none of the others, and may be
        # taken.
        Listing.product_key.not_in(product_keys(product_id, sku)),
    )
    taken = set(session.scalars(others))
    for one in candidates:
        if one["external_id"] not in taken:
            named = ListingRow(**{**one, "sku": sku})
            record_listing(session, shop_id, named, product_id)
            return named
    raise ListingTaken(f"the listing {', '.join(ids)} sells another product already")


def product_listings(
    session: Session, shop_id: int, product_id: int | None, sku: str | None
) -> ProductListings:
    """Return the live and former listings of a product, the newest first."""
    query = select(Listing.external_id, Listing.status).where(
        Listing.shop_id == shop_id, Listing.product_key.in_(product_keys(product_id, sku))
    )
    rows = session.execute(query.order_by(Listing.id.desc())).all()
    live = [external_id for external_id, status in rows if status == "live"]
    return ProductListings(live=live, known=bool(rows))


def live_listings(
    session: Session,
    shop_id: int,
    product_id: int | None,
    sku: str | None,
    external_id: str | None = None,
) -> list[LiveListing]:
    """Return the live listings of a product with the marketplace's data, the newest first.

    Args:
        external_id: limits the result to this listing, whichever product it sells.
    """
    query = select(Listing.external_id, Listing.data).where(
        Listing.shop_id == shop_id, Listing.status == "live"
    )
    if external_id is not None:
        query = query.where(Listing.external_id == external_id)
    else:
        query = query.where(Listing.product_key.in_(product_keys(product_id, sku)))
    rows = session.execute(query.order_by(Listing.id.desc()))
    return [LiveListing(external_id=row.external_id, data=row.data) for row in rows]


def describe_listing(
    session: Session, shop_id: int, external_id: str, product: dict[str, str | None]
) -> None:
    """Note the title, price and currency of a listing that now shows the product."""
    session.execute(
        update(Listing)
        .where(Listing.shop_id == shop_id, Listing.external_id == external_id)
        .values(
            title=product["title"],
            price=product["price"],
            currency=func.coalesce(product["currency"], Listing.currency),
        )
        .execution_options(synchronize_session=False)
    )
