"""Stores the products of sellers.

All functions run inside the caller's transaction. Products are JSON as
:func:`runtime.products.product.checked_product` returns it.
"""

from collections.abc import Sequence
from typing import Any, TypedDict

from sqlalchemy import ColumnElement, case, func, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from runtime.storage.models import Product
from runtime.storage.selling.product_links import adopt_listings
from runtime.storage.server.locks import bounded_lock_waits
from runtime.values.arguments import LARGEST_ID

_QUANTITY: ColumnElement[Any] = literal_column("'{quantity}'")
# xmax is 0 only in a row that was inserted; an updated row has the id of its transaction there.
_IS_NEW: ColumnElement[bool] = literal_column("products.xmax = 0")


class ProductCounts(TypedDict):
    """The numbers of products that were created, updated, or not changed."""

    created: int
    updated: int
    unchanged: int


def upsert_products(
    session: Session, user_id: int, products: Sequence[dict[str, Any]], *, restock: bool = False
) -> ProductCounts:
    """Store a seller's products under their SKUs; the last of two with one SKU wins.

    A quantity that equals the last imported one changes nothing, so that an import every night
    does not put pieces back on sale that were sold during the day.

    Args:
        restock: set each quantity, also if it equals the last imported one.
    """
    unique = {product["sku"]: product for product in products}
    if not unique:
        return ProductCounts(created=0, updated=0, unchanged=0)
    with bounded_lock_waits(session, "a product"):
        written = session.execute(_upsert(user_id, unique, restock)).all()
    created = [sku for sku, is_new in written if is_new]
    adopt_listings(session, user_id, created)
    return ProductCounts(
        created=len(created),
        updated=len(written) - len(created),
        unchanged=len(unique) - len(written),
    )


def product_by_id(session: Session, user_id: int, product_id: int) -> Product | None:
    """Return a seller's product, or None if it does not exist or is another seller's."""
    # PostgreSQL refuses a larger number with an error that ends the caller's transaction.
    if not 0 < product_id <= LARGEST_ID:
        return None
    product = session.get(Product, product_id, populate_existing=True)
    return product if product is not None and product.user_id == user_id else None


def product_by_sku(session: Session, user_id: int, sku: str) -> Product | None:
    """Return the seller's product of that SKU."""
    return session.scalars(
        select(Product)
        .where(Product.user_id == user_id, Product.sku == sku)
        .execution_options(populate_existing=True)
    ).one_or_none()


def list_products(
    session: Session, *, user_id: int | None = None, limit: int | None = None
) -> Sequence[Product]:
    """Return the products in the order of their sellers and SKUs."""
    query = select(Product).order_by(Product.user_id, Product.sku).limit(limit)
    if user_id is not None:
        query = query.where(Product.user_id == user_id)
    return session.scalars(query).all()


def skus_like(session: Session, user_id: int, sku: str, limit: int) -> Sequence[str]:
    """Return some of the seller's SKUs, first those that begin like this one."""
    # starts_with instead of LIKE: a SKU may hold % and _.
    alike = func.starts_with(func.lower(Product.sku), sku[:3].lower())
    query = select(Product.sku).where(Product.user_id == user_id)
    return session.scalars(query.order_by(alike.desc(), Product.sku).limit(limit)).all()


def lower_quantity(session: Session, product_id: int, pieces: int) -> int | None:
    """Lower the quantity by sold pieces, to 0 at least; return it, or None without a product."""
    left = func.greatest(Product.quantity - pieces, 0)
    return session.scalars(
        update(Product)
        .where(Product.id == product_id)
        .values(
            quantity=left,
            # The column and the JSON change together; a constraint of the table compares them.
            data=func.jsonb_set(Product.data, _QUANTITY, func.to_jsonb(left)),
            updated_at=func.now(),
        )
        .returning(Product.quantity)
        .execution_options(synchronize_session=False)
    ).one_or_none()


def _upsert(user_id: int, unique: dict[str, dict[str, Any]], restock: bool) -> Any:
    """Make the statement, which returns the SKU of each written product and whether it is new."""
    statement = insert(Product).values(
        [
            {
                "user_id": user_id,
                "sku": sku,
                "title": unique[sku]["title"],
                "quantity": unique[sku]["quantity"],
                "stated_quantity": unique[sku]["quantity"],
                "data": unique[sku],
            }
            # All imports use this order, so that two of them never wait for each other's rows.
            for sku in sorted(unique)
        ]
    )
    told = statement.excluded
    is_same = Product.stated_quantity.is_not_distinct_from(told.stated_quantity)
    quantity = told.quantity if restock else case((is_same, Product.quantity), else_=told.quantity)
    data = func.jsonb_set(told.data, _QUANTITY, func.to_jsonb(quantity))
    return statement.on_conflict_do_update(
        index_elements=[Product.user_id, Product.sku],
        set_={
            "title": told.title,
            "quantity": quantity,
            "stated_quantity": told.stated_quantity,
            "data": data,
            "updated_at": func.now(),
        },
        # A product that did not change is not written: the import of every night would otherwise
        # make a new version of each row.
        where=or_(Product.data != data, Product.stated_quantity.is_distinct_from(told.quantity)),
    ).returning(Product.sku, _IS_NEW)
