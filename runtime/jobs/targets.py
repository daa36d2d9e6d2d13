"""Finds the listings that a job is about."""

from runtime.errors import JobFailed
from runtime.handlers.base import BaseJobHandler
from runtime.storage.selling import published


async def target_listings(handler: BaseJobHandler, named: str | None, way_out: str) -> list[str]:
    """Return the external ids of the listings that the job names, or that sell its product.

    The list is empty if all listings of the product are known to be gone already.

    Args:
        named: the checked id of the listing that the job's ``input_data`` names, or None.
        way_out: the advice in the error message where no listing of the product is known.

    Raises:
        JobFailed: nothing says which listings are meant.
    """
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
            f"no listing of the product is known in shop {handler.shop_id}: {way_out}, or name the "
            "listing by input_data.external_id"
        )
    return found["live"]
