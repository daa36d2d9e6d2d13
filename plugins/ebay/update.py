"""update_ebay: change a listing, so that it says what the product says now."""

from functools import partial
from typing import Any

from plugins.ebay.client import SETTLES_WITHIN
from plugins.ebay.errors import Record
from plugins.ebay.inventory import merged
from plugins.ebay.listing import listing_row
from plugins.ebay.offers import listing_of
from plugins.ebay.shelf import Shelf
from plugins.ebay.targets import target_of
from plugins.ebay.terms import Terms, updatable
from runtime import BaseJobHandler, Job, JobFailed, hookimpl
from runtime.store import record_listing


class UpdateEbay(BaseJobHandler):
    """Reads, merges and writes item and offer; a second run with the same data changes nothing."""

    settles_within = SETTLES_WITHIN

    async def execute(self, job: Job) -> dict[str, Any]:
        """Check the product; then write the item and the offer."""
        terms = updatable(self.product, self.shop.settings)
        sku = (await target_of(self))["skus"][0]
        shelf = Shelf(self, self.settles_within)
        if not await self.step(
            "item", partial(shelf.put_item, sku, terms, new=False), repeatable=True
        ):
            raise JobFailed(f"{sku} is not in the inventory on eBay: publish it")
        offer: Record = await self.step(
            "offer", partial(_put_terms, shelf, sku, terms), repeatable=True
        )
        if offer["listing_id"] is not None:
            row = listing_row(offer["listing_id"], offer["now"], terms.title)
            await self.transaction("store", record_listing, self.shop_id, row, job.product_id)
        return {
            "success": True,
            "external_id": offer["listing_id"],
            "offer_id": offer["now"]["offerId"],
            "on_sale": offer["listing_id"] is not None,
        }


async def _put_terms(shelf: Shelf, sku: str, terms: Terms) -> Record:
    site = terms.settings["marketplace_id"]
    found = await shelf.offers.find(sku, site)
    if found is None:
        raise JobFailed(f"{sku} has no offer on {site}: publish it")
    was = await shelf.put_terms(found["offerId"], terms, whole=False)
    if was is None:
        raise JobFailed(f"the offer of {sku} on {site} was just deleted: publish it")
    now = merged(was, terms.changed_terms(was))
    return {"listing_id": listing_of(was), "now": {**now, "offerId": found["offerId"]}}


@hookimpl
def job_handler() -> type[UpdateEbay]:
    """The handler of ``update_ebay``."""
    return UpdateEbay
