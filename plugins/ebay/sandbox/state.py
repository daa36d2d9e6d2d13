"""The state of the simulated eBay: one seller and her account."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from plugins.ebay.sandbox.errors import refused

Record = dict[str, Any]
MAX_REVISIONS = 250


@dataclass(frozen=True, slots=True)
class EbayFee:
    """A call that cost the seller money."""

    operation: str
    listing_id: str
    at: datetime


@dataclass(slots=True)
class EbayState:
    """The seller's account, in the shapes of eBay's answers.

    Attributes:
        items: by SKU.
        offers: by offer id.
        policies: by kind (``fulfillment``, ``payment``, ``return``), then by id.
        orders: in order of sale.
        fees: one for each listing that was made.
        revisions: the number of revisions by listing and day.
    """

    now: Callable[[], datetime]
    items: dict[str, Record] = field(default_factory=dict)
    offers: dict[str, Record] = field(default_factory=dict)
    locations: dict[str, Record] = field(default_factory=dict)
    policies: dict[str, dict[str, Record]] = field(default_factory=dict)
    orders: list[Record] = field(default_factory=list)
    fees: list[EbayFee] = field(default_factory=list)
    revisions: Counter[tuple[str, date]] = field(default_factory=Counter)
    _last_number: int = 0

    def next_number(self) -> int:
        """Return a number that was not used before."""
        self._last_number += 1
        return self._last_number

    def offers_of(self, sku: str) -> list[Record]:
        """Return all offers of a SKU."""
        return [offer for offer in self.offers.values() if offer["sku"] == sku]

    def live_offers_of(self, sku: str) -> list[Record]:
        """Return the offers of a SKU that buyers can see."""
        return [offer for offer in self.offers_of(sku) if offer["status"] == "PUBLISHED"]

    def revise(self, offer: Record) -> None:
        """Count a revision of a listing.

        Raises:
            Refused: it is one too many for today.
        """
        listing_id = offer["listing"]["listingId"]
        key = listing_id, self.now().date()
        if self.revisions[key] >= MAX_REVISIONS:
            raise refused(400, 25019, f"Listing {listing_id} was revised 250 times today.")
        self.revisions[key] += 1


def moment(when: datetime) -> str:
    """Return a time as eBay writes it, such as ``2026-01-09T00:00:00.000Z``."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03}Z"
