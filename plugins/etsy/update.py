"""update_etsy: give a listing the present data of its product."""

from functools import partial
from typing import Any

from plugins.etsy.client import EtsyClient
from plugins.etsy.errors import is_gone
from plugins.etsy.inventory import merged, pieces
from plugins.etsy.offer import Offer, checked_offer
from plugins.etsy.targets import target_listings
from runtime import BaseJobHandler, Job, JobFailed, RejectionSuppressed, hookimpl
from runtime.store import describe_listing, mark_listing_gone

GONE = "gone"
INACTIVE = "inactive"
ENDED = frozenset({"sold_out", "expired"})
"""The states from which only a renewal leads back on sale. A renewal costs money, so no update
makes one."""


class UpdateEtsy(BaseJobHandler):
    """Changes the listings of a product except their images; twice is the same as once.

    Nothing is activated. If no piece of the product remains, its listing is deactivated, because
    Etsy takes no inventory without a piece to sell.
    """

    async def execute(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 - the interface
        """Check the product, and send it for each of its listings."""
        offer = checked_offer(self.product, self.shop.settings, publishes=False)
        targets = await target_listings(self, must_be_on_sale=True)
        etsy = EtsyClient(self)
        states = {one: await self._update(etsy, offer, one) for one in targets}
        ended = [f"{one} ({state})" for one, state in states.items() if state in ENDED | {GONE}]
        # All listings are updated before the job fails: a listing that ended must not keep the
        # others at an old price.
        if ended:
            raise JobFailed(
                f"the listing {', '.join(ended)} is not on sale on Etsy any more, so it cannot be "
                "updated; it is noted as gone"
            )
        return {"success": True, "external_id": targets[0], "updated": states}

    async def _update(self, etsy: EtsyClient, offer: Offer, listing_id: str) -> str:
        """Return the state that the listing is in now."""
        state: str = await self.step(
            f"update-{listing_id}", partial(_send, etsy, offer, listing_id), repeatable=True
        )
        if state in ENDED | {GONE, INACTIVE}:
            await self.transaction(
                f"note-gone-{listing_id}", mark_listing_gone, self.shop_id, listing_id
            )
        else:
            described = {"title": offer.title, "price": offer.price, "currency": offer.currency}
            await self.transaction(
                f"store-{listing_id}", describe_listing, self.shop_id, listing_id, described
            )
        return state


async def _send(etsy: EtsyClient, offer: Offer, listing_id: str) -> str:
    with RejectionSuppressed(is_gone):
        return await _change(etsy, offer, listing_id)
    return GONE


async def _change(etsy: EtsyClient, offer: Offer, listing_id: str) -> str:
    """Change the listing and its inventory; returns the state that it is in then."""
    # A PUT replaces the whole inventory, so what the product does not know (the seller's
    # variations) has to be read and sent back.
    known = await etsy.inventory(listing_id)
    if known is None:
        return GONE
    body = merged(known, offer)
    if not pieces(body):
        return await deactivate(etsy, listing_id)
    listing = await etsy.update(listing_id, offer.changes_form())
    state: str = listing["state"]
    # An inventory for a listing that was just sold would offer it again.
    if state not in ENDED:
        await etsy.put_inventory(listing_id, body)
    return state


async def deactivate(etsy: EtsyClient, listing_id: str) -> str:
    """Switch a listing off, which costs nothing to undo; returns the state that it is in then."""
    listing = await etsy.listing(listing_id)
    if listing is None:
        return GONE
    # A draft cannot be switched off, and the other states are off sale already.
    if listing["state"] == "active":
        listing = await etsy.update(listing_id, {"state": INACTIVE})
    state: str = listing["state"]
    return state


@hookimpl
def job_handler() -> type[UpdateEtsy]:
    """The handler of ``update_etsy``."""
    return UpdateEtsy
