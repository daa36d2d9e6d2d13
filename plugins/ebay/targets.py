"""Finds the item that a job is about."""

from typing import TypedDict

from runtime import PROGRAM, BaseJobHandler, JobFailed
from runtime.store import LiveListing, live_listings, named_listing


class Target(TypedDict):
    """An item on eBay by its SKU, and its listings that were on sale when eBay was last read."""

    skus: list[str]
    listings: list[str]


async def target_of(handler: BaseJobHandler) -> Target:
    """Return the item of the job's product, or of the listing in ``input_data.external_id``.

    A listing may be linked to a product that has another SKU here, so the SKU that eBay gave with
    the listing decides.

    Raises:
        JobFailed: neither a product nor a listing names the item.
    """
    named = named_listing(handler.job.input_data, "eBay")
    product = handler.product
    sku: str | None = product["sku"] if product else None
    found: list[LiveListing] = await handler.transaction(
        "find-listings",
        live_listings,
        handler.shop_id,
        handler.job.product_id,
        sku,
        named,
    )
    skus = [one for listing in found if isinstance(one := listing["data"].get("sku"), str)]
    if not skus and sku is not None:
        skus = [sku]
    if not skus:
        raise JobFailed(
            "the job does not say which item it is about: create it with --product SKU, or with "
            f"the external_id of a listing that `{PROGRAM} jobs create ebay sync` has found"
        )
    return Target(skus=list(dict.fromkeys(skus)), listings=[one["external_id"] for one in found])
