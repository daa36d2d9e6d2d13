"""Writes the data of a product into its item and its offer on eBay."""

from datetime import timedelta

from plugins.ebay.client import SETTLES_WITHIN, EbayClient
from plugins.ebay.errors import Record
from plugins.ebay.inventory import Inventory, merged
from plugins.ebay.offers import Offers, terms_of
from plugins.ebay.terms import Terms, check_addresses, language_of
from runtime import BaseJobHandler


class Shelf:
    """The items and the offers of the job's shop.

    A write replaces the whole item or offer. So each is read first, and written with the product's
    changes merged into it; otherwise data that the seller has entered on eBay would be lost.
    """

    def __init__(self, handler: BaseJobHandler, settles_within: timedelta = SETTLES_WITHIN) -> None:
        self._handler = handler
        client = EbayClient(handler, language_of(handler.shop.settings), settles_within)
        self.inventory = Inventory(client)
        self.offers = Offers(client)

    async def put_item(self, sku: str, terms: Terms, *, new: bool) -> bool:
        """Write the product into the item; return whether the item is there.

        Args:
            new: whether to make the item if it is not there.

        Raises:
            JobFailed: eBay could not fetch the images.
        """
        known = await self.inventory.find(sku)
        if known is None and not new:
            return False
        urls = await self._handler.image_urls(terms.product["images"])
        check_addresses(urls)
        wanted = merged(known or {}, terms.item(urls))
        # eBay allows 250 revisions of a listing a day, so a write that changes nothing is not sent.
        if wanted != known:
            await self.inventory.put(sku, wanted)
        return True

    async def put_terms(self, offer_id: str, terms: Terms, *, whole: bool) -> Record | None:
        """Write the product into an offer; return the offer as it was, or None if it is not there.

        Args:
            whole: whether to write the shop's policies and location too; otherwise these stay.
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
