"""delete_ebay: take a product off sale."""

from functools import partial
from typing import Any

from plugins.ebay.client import SETTLES_WITHIN
from plugins.ebay.errors import Record
from plugins.ebay.offers import listing_of
from plugins.ebay.shelf import Shelf
from plugins.ebay.targets import target_of
from runtime import BaseJobHandler, CallRejected, Job, hookimpl
from runtime.store import mark_listing_gone


class DeleteEbay(BaseJobHandler):
    """Ends the listings of an item, then deletes it; a missing item counts as deleted."""

    settles_within = SETTLES_WITHIN

    async def execute(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 - the interface
        """Withdraw each offer, delete the item, and record which listings are gone."""
        target = await target_of(self)
        shelf = Shelf(self, self.settles_within)
        ended = list(target["listings"])
        deleted = []
        for sku in target["skus"]:
            # This look is a recorded step, because the steps below are named after the offers that
            # were there when the job began. A later run finds fewer of them, and would miss
            # steps that are recorded.
            offers = await self.step(f"offers-{sku}", partial(_offers, shelf, sku))
            for offer in offers:
                ended += [] if offer["listing_id"] is None else [offer["listing_id"]]
                await self.step(
                    f"withdraw-{offer['offer_id']}",
                    partial(_withdraw, shelf, offer["offer_id"]),
                    repeatable=True,
                )
            if await self.step(
                f"item-{sku}", partial(shelf.inventory.delete, sku), repeatable=True
            ):
                deleted.append(sku)
        listings = sorted(set(ended))
        for listing_id in listings:
            await self.transaction(
                f"note-gone-{listing_id}", mark_listing_gone, self.shop_id, listing_id
            )
        return {
            "success": True,
            "external_id": listings[0] if listings else None,
            "deleted": deleted,
            "already_gone": [sku for sku in target["skus"] if sku not in deleted],
            "ended": listings,
        }


async def _offers(shelf: Shelf, sku: str) -> list[Record]:
    return [
        {"offer_id": offer["offerId"], "listing_id": listing_of(offer)}
        for offer in await shelf.offers.of(sku)
    ]


async def _withdraw(shelf: Shelf, offer_id: str) -> bool:
    """End the listing of an offer; return whether there was a listing."""
    offer = await shelf.offers.read(offer_id)
    if offer is None or listing_of(offer) is None:
        return False
    try:
        await shelf.offers.withdraw(offer_id)
    except CallRejected:
        # A former withdrawal whose answer was lost, or the seller, may have ended the listing since
        # the offer was read; eBay calls that a user error, without a code of its own.
        offer = await shelf.offers.read(offer_id)
        if offer is not None and listing_of(offer) is not None:
            raise
        return False
    return True


@hookimpl
def job_handler() -> type[DeleteEbay]:
    """The handler of ``delete_ebay``."""
    return DeleteEbay
