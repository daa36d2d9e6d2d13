"""Chooses the product of a job, and the source of the product's data."""

import reprlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from runtime.errors import ProductNotFound
from runtime.errors.program import PROGRAM
from runtime.products.product import checked_product
from runtime.storage.models import Product
from runtime.storage.selling import product_rows
from runtime.values.arguments import checked_id

_NAMED = 5


@dataclass(frozen=True, slots=True)
class ChosenProduct:
    """The product of a job.

    Attributes:
        id: the id of the product's row; None if the product stands in the job alone.
        input_data: the job's input; a product that stands in it is complete.
    """

    id: int | None
    input_data: dict[str, Any]


def chosen_product(
    session: Session, user_id: int, product_id: int | None, input_data: dict[str, Any]
) -> ChosenProduct:
    """Check the product that is named, and the one that stands in ``input_data``.

    If both are given, the job works with the data in ``input_data``, and still belongs to the
    named product. If none is named, the job belongs to the seller's product of the same SKU.

    Raises:
        ProductNotFound: the seller has no such product.
        InvalidProduct: the product in ``input_data`` cannot be used.
    """
    row = None if product_id is None else named_product(session, user_id, product_id)
    inline = input_data.get("product")
    if inline is None:
        return ChosenProduct(row.id if row else None, input_data)
    product = checked_product(inline, "input_data.product")
    # The row gives the job its product, so that jobs of the same product run one after the other
    # even if one of them brings its own data.
    if row is None:
        row = product_rows.product_by_sku(session, user_id, product["sku"])
    return ChosenProduct(row.id if row else None, input_data | {"product": product})


def named_product(session: Session, user_id: int, product_id: int) -> Product:
    """Return the seller's product of that id.

    Raises:
        ProductNotFound: the seller has no such product.
    """
    product = product_rows.product_by_id(session, user_id, checked_id(product_id, "product_id"))
    if product is None:
        raise ProductNotFound(
            f"user {user_id} has no product {product_id}; "
            f"`{PROGRAM} products list --user {user_id}` shows those that are there"
        )
    return product


def product_of_sku(session: Session, user_id: int, sku: str) -> Product:
    """Return the seller's product of that SKU.

    Raises:
        ProductNotFound: the seller has no such product; the message names similar SKUs.
    """
    product = product_rows.product_by_sku(session, user_id, sku)
    if product is None:
        raise ProductNotFound(_no_such_sku(session, user_id, sku))
    return product


def _no_such_sku(session: Session, user_id: int, sku: str) -> str:
    # One more than the message names tells that there are others.
    found = product_rows.skus_like(session, user_id, sku, _NAMED + 1)
    told = f"user {user_id} has no product with the SKU {reprlib.repr(sku)}"
    if not found:
        return f"{told}, nor any other: `{PROGRAM} products import FILE --user {user_id}` adds some"
    more = ", ..." if len(found) > _NAMED else ""
    return f"{told}; there are {', '.join(found[:_NAMED])}{more}"
