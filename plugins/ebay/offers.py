"""Offers: the terms on which an item is for sale (Inventory API).

A published offer is a listing::

    createOffer ──► UNPUBLISHED ──publishOffer──► PUBLISHED (a listing; may cost a fee)
                         ▲                            │
                         └────── withdrawOffer ───────┘   the offer stays, and the listing ends
"""

from plugins.ebay.client import EbayClient, part
from plugins.ebay.errors import OFFER_EXISTS, Record, is_gone
from runtime import CallRejected, RejectionSuppressed
from runtime.answers import unreadable

OFFERS = "/sell/inventory/v1/offer"
FORMAT = "FIXED_PRICE"
PUBLISHED = "PUBLISHED"
_KEYS = ("offerId", "sku", "marketplaceId", "format", "status", "listing")


class Offers:
    """The operations on offers that handlers need."""

    def __init__(self, client: EbayClient) -> None:
        self._client = client

    async def of(self, sku: str) -> list[Record]:
        """Return all offers of a SKU, on any of eBay's sites.

        Raises:
            CallRejected
        """
        with RejectionSuppressed(is_gone):
            page = await self._client.page(OFFERS, "offers", sku=sku)
            for offer in page.rows:
                if not isinstance(offer.get("offerId"), str):
                    raise unreadable(f"GET {OFFERS}", offer, "an offer without an id", writes=False)
            # One page holds them all: there is at most one offer for each site and format.
            return page.rows
        return []

    async def find(self, sku: str, marketplace_id: str) -> Record | None:
        """Return the offer of a SKU at a fixed price on one of eBay's sites, or None."""
        for offer in await self.of(sku):
            if offer.get("marketplaceId") == marketplace_id and offer.get("format") == FORMAT:
                return offer
        return None

    async def read(self, offer_id: str) -> Record | None:
        """Read one offer; return None if it is not there."""
        with RejectionSuppressed(is_gone):
            return await self._client.read(_address(offer_id))
        return None

    async def create(self, offer: Record) -> str:
        """Make an offer; return its id.

        Raises:
            OfferExists: there is such an offer already.
        """
        try:
            return await self._client.write_for("offerId", "POST", OFFERS, offer)
        except CallRejected as error:
            # createOffer is not idempotent: after a lost answer, or beside an offer that the seller
            # made, a second call is refused.
            if error.error_code != OFFER_EXISTS:
                raise
            raise OfferExists(error) from error

    async def replace(self, offer_id: str, terms: Record) -> None:
        """Replace all terms of an offer; of a published one, its listing changes at once."""
        await self._client.write("PUT", _address(offer_id), terms)

    async def publish(self, offer_id: str) -> str:
        """Make a listing of an offer; return the listing's id."""
        return await self._client.write_for("listingId", "POST", f"{_address(offer_id)}/publish")

    async def withdraw(self, offer_id: str) -> None:
        """End the listing of an offer, and keep the offer."""
        await self._client.write("POST", f"{_address(offer_id)}/withdraw")


class OfferExists(Exception):
    """There is an offer of that SKU, site and format, or eBay means something else by 25002.

    Attributes:
        offer_id: the id of the offer that eBay names, or None if eBay names none.
        rejection: the answer of eBay.
    """

    def __init__(self, rejection: CallRejected) -> None:
        super().__init__(str(rejection))
        self.rejection = rejection
        self.offer_id: str | None = (rejection.details or {}).get("offerId")


def terms_of(offer: Record) -> Record:
    """Return the part of an offer that can be written back."""
    return {name: value for name, value in offer.items() if name not in _KEYS}


def listing_of(offer: Record) -> str | None:
    """Return the id of the listing that buyers can see, or None if there is none."""
    if offer.get("status") != PUBLISHED:
        return None
    listing = offer.get("listing")
    listing_id = listing.get("listingId") if isinstance(listing, dict) else None
    # Without its id the listing can neither be stored nor be taken for absent: to publish once more
    # might cost a second fee.
    if not isinstance(listing_id, str) or not listing_id:
        raise unreadable(f"GET {OFFERS}", offer, "published, but no listing id", writes=False)
    return listing_id


def _address(offer_id: str) -> str:
    return f"{OFFERS}/{part(offer_id)}"
