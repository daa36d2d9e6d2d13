"""A product's item and offer on eBay, made what the product is."""

from datetime import timedelta

from plugins.ebay.client import SETTLES_WITHIN, EbayClient
from plugins.ebay.errors import Record
from plugins.ebay.inventory import Inventory, merged
from plugins.ebay.offers import Offers, terms_of
from plugins.ebay.terms import Terms, check_addresses, language_of
from runtime import BaseJobHandler


class Shelf:
    """Where items and offers of the job's shop are.

    What is written is what is there with the product's changes in it, and only where that makes a
    difference: eBay replaces the whole, and allows 250 revisions of a listing a day.
    """

    def __init__(self, handler: BaseJobHandler, settles_within: timedelta = SETTLES_WITHIN) -> None:
        self._handler = handler
        client = EbayClient(handler, language_of(handler.shop.settings), settles_within)
        self.inventory = Inventory(client)
        self.offers = Offers(client)

    async def put_item(self, sku: str, terms: Terms, *, new: bool) -> bool:
        """Make the item what the product is; whether it is there.

        Args:
            new: make it where it is not there; else leave it so.

        Raises:
            JobFailed: eBay could not fetch the images.
        """
        known = await self.inventory.find(sku)
        if known is None and not new:
            return False
        urls = await self._handler.image_urls(terms.product["images"])
        check_addresses(urls)
        wanted = merged(known or {}, terms.item(urls))
        if wanted != known:
            await self.inventory.put(sku, wanted)
        return True

    async def put_terms(self, offer_id: str, terms: Terms, *, whole: bool) -> Record | None:
        """Make an offer what the product is; returns the offer as it was, None: it is not there.

        Args:
            whole: with the shop's policies and location; else these stay as they are.
        """
        offer = await self.offers.read(offer_id)
        if offer is None:
            return None
        known = terms_of(offer)
        changes = terms_of(terms.offer()) if whole else {}
        wanted = merged(known, changes | terms.changed_terms(known))
        if wanted != known:
            await self.offers.replace(offer_id, wanted)
        return offer
