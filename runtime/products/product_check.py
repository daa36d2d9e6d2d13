"""Checks whether a job's product can be sold on a marketplace, before anything is sent. Pure."""

from collections.abc import Sequence
from typing import Any

from runtime.errors import InvalidProduct, JobFailed
from runtime.products.product import checked_product


def product_to_sell(product: dict[str, Any] | None) -> dict[str, Any]:
    """Return the product of a job, with every field.

    Raises:
        JobFailed: the job has no product, or its fields cannot be used; the message names them.
    """
    if product is None:
        raise JobFailed(
            "the job has no product: create it with --product SKU, or with input_data.product"
        )
    try:
        return checked_product(product)
    except InvalidProduct as error:
        raise JobFailed(f"{error}; nothing was sent") from error


def refuse_flaws(sku: str, marketplace: str, flaws: Sequence[str]) -> None:
    """Reject a product that has flaws.

    Args:
        marketplace: its name for people.
        flaws: the problems of the product, in words for people.

    Raises:
        JobFailed: there are flaws; the message names all of them.
    """
    if flaws:
        raise JobFailed(
            f"product {sku} cannot be sold on {marketplace}: {'; '.join(flaws)}; nothing was sent"
        )
