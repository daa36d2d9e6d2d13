"""Finds the listings that a job is about."""

import re
from typing import Any

from runtime.errors import JobFailed
from runtime.handlers.job_handler import BaseJobHandler
from runtime.storage.selling import product_listings


def named_listing(
    input_data: dict[str, Any], marketplace: str, pattern: str = r"(?s).*"
) -> str | None:
    """Return the listing that a job's ``input_data.external_id`` names; None if it names none.

    Args:
        marketplace: the name of the marketplace for people.
        pattern: the regular expression that an id of a listing there matches as a whole.

    Raises:
        JobFailed: it is no id.
    """
    given = input_data.get("external_id")
    if given is None:
        return None
    # The id becomes a part of a path or of a command, so its form is checked before it is used.
    is_text = isinstance(given, str | int) and not isinstance(given, bool)
    if not is_text or not re.fullmatch(pattern, str(given)):
        raise JobFailed(f"external_id must be the id of a listing on {marketplace}, not {given!r}")
    return str(given)


async def target_listings(
    handler: BaseJobHandler,
    marketplace: str,
    pattern: str,
    way_out: str,
    *,
    must_be_on_sale: bool = False,
) -> list[str]:
    """Return the external ids of the listings that the job names, or that sell its product.

    The list is empty if all listings of the product are known to be gone already.

    Args:
        marketplace: the name of the marketplace for people.
        pattern: the regular expression that an id of a listing there matches as a whole.
        way_out: the advice in the error message where no listing of the product is known.
        must_be_on_sale: whether the job fails if all listings of the product are gone.

    Raises:
        JobFailed: nothing says which listings are meant, or none is on sale and one must be.
    """
    named = named_listing(handler.job.input_data, marketplace, pattern)
    # The listing that is named wins: a sale elsewhere names the one that has to go, and the product
    # may have others.
    if named is not None:
        return [named]
    sku = (handler.job.product or {}).get("sku")
    if sku is None and handler.job.product_id is None:
        raise JobFailed(
            "the job does not say which listing it is about: create it with --product SKU, or "
            "with input_data.external_id"
        )
    found: product_listings.ProductListings = await handler.transaction(
        "find-listings",
        product_listings.product_listings,
        handler.shop_id,
        handler.job.product_id,
        sku,
    )
    # "Never known" and "gone already" are told apart: for a delete the first may be a mistake, the
    # second is success.
    if not found["known"]:
        raise JobFailed(
            f"no listing of the product is known in shop {handler.shop_id}: {way_out}, or name the "
            "listing by input_data.external_id"
        )
    if must_be_on_sale and not found["live"]:
        raise JobFailed(
            f"product {sku} is not on sale any more in shop {handler.shop_id}: publish it again"
        )
    return found["live"]
