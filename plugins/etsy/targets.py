"""Which listings a job is about."""

from typing import Any

from runtime import BaseJobHandler, JobFailed
from runtime.storage import published


async def target_listings(handler: BaseJobHandler) -> list[str]:
    """The ids of the listings that the job names, or that sell its product.

    None where those of the product are known to be gone already.

    Raises:
        JobFailed: nothing says which listings are meant.
    """
    named = named_listing(handler.job.input_data)
    if named is not None:
        return [named]
    sku = (handler.job.product or {}).get("sku")
    if sku is None and handler.job.product_id is None:
        raise JobFailed(
            "the job does not say which listing it is about: create it with --product SKU, or "
            "with input_data.external_id"
        )
    found: published.ProductListings = await handler.transaction(
        "find-listings",
        published.product_listings,
        handler.shop_id,
        handler.job.product_id,
        sku,
    )
    if not found["known"]:
        raise JobFailed(
            f"no listing of the product is known in shop {handler.shop_id}: sync the shop, where "
            "the listing has the product's SKU, or name the listing by input_data.external_id"
        )
    return found["live"]


def named_listing(input_data: dict[str, Any]) -> str | None:
    """The listing that a job's ``input_data`` names.

    Raises:
        JobFailed: it is no id.
    """
    given = input_data.get("external_id")
    if given is None:
        return None
    text = str(given)
    if isinstance(given, bool) or not text.isascii() or not text.isdigit() or not int(text):
        raise JobFailed(f"external_id must be the id of a listing on Etsy, not {given!r}")
    return text
