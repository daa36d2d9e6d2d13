"""Which item a job is about."""

from typing import TypedDict

from runtime import PROGRAM, BaseJobHandler, JobFailed
from runtime.store import LiveListing, live_listings, named_listing


class Target(TypedDict):
    """An item on eBay by its SKU, and the listings of it that are thought to be on sale."""

    skus: list[str]
    listings: list[str]


async def target_of(handler: BaseJobHandler) -> Target:
    """What the job's product, or the listing that ``input_data.external_id`` names, is on eBay.

    A listing may have been linked to a product that has another SKU here; what eBay said of the
    listing decides.

    Raises:
        JobFailed: nothing says which item is meant.
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
