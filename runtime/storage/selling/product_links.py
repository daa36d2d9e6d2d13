"""Finds the product of a seller that a SKU, a listing or a job means."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from runtime.storage.models import Listing, Product, Shop
from runtime.waiting.product_key import product_key


class ProductLink(NamedTuple):
    """The name of a product in a listing: the product's row if it has one, or otherwise the SKU."""

    product_id: int | None
    product_key: str | None


NOTHING = ProductLink(None, None)


def links(session: Session, shop_id: int, skus: Collection[str]) -> dict[str, ProductLink]:
    """Return the products of the shop's seller, by SKU."""
    if not skus:
        return {}
    query = (
        select(Product.sku, Product.id)
        .join(Shop, Shop.user_id == Product.user_id)
        .where(Shop.id == shop_id, Product.sku.in_(skus))
    )
    found = {row.sku: row.id for row in session.execute(query)}
    return {sku: product_link(found.get(sku), sku) for sku in skus}


def product_link(product_id: int | None, sku: str | None) -> ProductLink:
    """Return the link to a product that is known by its id, its SKU, or both."""
    return ProductLink(product_id, product_key(product_id, {"product": {"sku": sku}}))


def product_keys(product_id: int | None, sku: str | None) -> set[str]:
    """Return the keys under which listings may name the product, with and without a row."""
    # A listing that a sync found before the product was imported names the SKU alone.
    keys = {product_link(product_id, sku).product_key, product_link(None, sku).product_key}
    return {key for key in keys if key is not None}


def link_of_listing(session: Session, shop_id: int, external_id: str) -> ProductLink | None:
    """Return the product that a listing sells, or None if its product is not known."""
    query = select(Listing.product_id, Listing.product_key).where(
        Listing.shop_id == shop_id,
        Listing.external_id == external_id,
        Listing.product_key.is_not(None),
    )
    found = session.execute(query).one_or_none()
    return None if found is None else ProductLink(*found)


def adopt_listings(session: Session, user_id: int, skus: Sequence[str]) -> None:
    """Link listings that name these SKUs to the products' new rows."""
    if not skus:
        return
    keys = {product_key(None, {"product": {"sku": sku}}): sku for sku in skus}
    waiting = select(Listing.id, Listing.product_key).where(
        Listing.shop_id.in_(select(Shop.id).where(Shop.user_id == user_id)),
        Listing.product_id.is_(None),
        Listing.product_key.in_(keys),
    )
    for listing_id, key in session.execute(waiting).all():
        product = select(Product.id).where(Product.user_id == user_id, Product.sku == keys[key])
        session.execute(
            update(Listing)
            .where(Listing.id == listing_id)
            .values(
                product_id=product.scalar_subquery(),
                product_key=func.concat("id:", product.scalar_subquery()),
            )
            .execution_options(synchronize_session=False)
        )
