"""publish_ebay: put one product on sale."""

from functools import partial
from typing import Any

from plugins.ebay.client import SETTLES_WITHIN
from plugins.ebay.errors import Record
from plugins.ebay.listing import listing_row
from plugins.ebay.marketplace import ebay
from plugins.ebay.offers import OfferExists, listing_of
from plugins.ebay.shelf import Shelf
from plugins.ebay.terms import Terms, publishable
from runtime import BaseJobHandler, CallRejected, Job, JobFailed, Marketplace, hookimpl
from runtime.store import record_listing


class PublishEbay(BaseJobHandler):
    """Makes the item, an offer of the item, and a listing of the offer.

    A listing that exists gets the present data of the product; it is never made a second time::

        item ──► offer ──┬─ made ──────────────────────────► publish ──► store
                         └─ exists ──► terms (written anew) ──┘

    Attributes:
        settles_within: the time after which a write cannot take effect any more.
    """

    settles_within = SETTLES_WITHIN

    async def execute(self, job: Job) -> dict[str, Any]:
        """Check product and shop; then make the item, the offer and the listing."""
        terms = publishable(self.product, self.shop.settings)
        shelf = Shelf(self, self.settles_within)
        await self.step(
            "item", partial(shelf.put_item, terms.sku, terms, new=True), repeatable=True
        )
        offer = await self.step(
            "offer",
            partial(_create, shelf, terms),
            reconcile=partial(_find, shelf, terms),
        )
        offer_id: str = offer["offer_id"]
        # An offer that was there may have been withdrawn a year ago at another price, so it gets
        # the terms of the product before buyers see it.
        if offer["adopted"]:
            await self.step(
                "terms",
                partial(_take_over, shelf, offer_id, terms),
                repeatable=True,
            )
        listing_id: str = await self.step(
            "publish",
            partial(_publish, shelf, offer_id),
            reconcile=partial(_listing, shelf, offer_id),
        )
        row = listing_row(listing_id, terms.offer() | {"offerId": offer_id}, terms.title)
        await self.transaction("store", record_listing, self.shop_id, row, job.product_id)
        return {
            "success": True,
            "external_id": listing_id,
            "url": row["url"],
            "offer_id": offer_id,
        }


async def _create(shelf: Shelf, terms: Terms) -> Record:
    try:
        return {"offer_id": await shelf.offers.create(terms.offer()), "adopted": False}
    except OfferExists as exists:
        # The refusal usually names the offer. If it does not, the offer is looked for by SKU; if
        # there is none, 25002 meant another mistake of the call.
        if exists.offer_id is not None:
            return {"offer_id": exists.offer_id, "adopted": True}
        found = await _find(shelf, terms)
        if found is None:
            raise exists.rejection from exists
        return found


async def _find(shelf: Shelf, terms: Terms) -> Record | None:
    offer = await shelf.offers.find(terms.sku, terms.settings["marketplace_id"])
    return None if offer is None else {"offer_id": offer["offerId"], "adopted": True}


async def _take_over(shelf: Shelf, offer_id: str, terms: Terms) -> None:
    """Write the terms of the product into an offer that exists, perhaps at another price."""
    if await shelf.put_terms(offer_id, terms, whole=True) is None:
        raise _vanished(offer_id)


async def _publish(shelf: Shelf, offer_id: str) -> str:
    """Publish the offer, unless it is published: a second publication may cost a second fee.

    The offer is looked at three times: before the call, after a refusal, and (in ``_listing``)
    after an unknown outcome. Each look covers a loss that the other two do not see.
    """
    offer = await shelf.offers.read(offer_id)
    if offer is None:
        raise _vanished(offer_id)
    if (listing_id := listing_of(offer)) is not None:
        return listing_id
    try:
        return await shelf.offers.publish(offer_id)
    except CallRejected:
        # eBay refuses to publish an offer that is published. The offer may be that already, from a
        # call whose answer was lost.
        if (listing_id := await _listing(shelf, offer_id)) is None:
            raise
        return listing_id


async def _listing(shelf: Shelf, offer_id: str) -> str | None:
    offer = await shelf.offers.read(offer_id)
    return None if offer is None else listing_of(offer)


def _vanished(offer_id: str) -> JobFailed:
    return JobFailed(
        f"offer {offer_id} was deleted on eBay while it was being published: create a new job"
    )


@hookimpl
def job_handler() -> type[PublishEbay]:
    """The handler of ``publish_ebay``."""
    return PublishEbay


@hookimpl
def marketplace() -> Marketplace:
    """The record of eBay."""
    return ebay()
