"""The state of the simulated Etsy: one seller and her shop."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

Record = dict[str, Any]

USER_ID = 7_001
SHOP_ID = 5_001
SHIPPING_PROFILE_ID = 9_001
RETURN_POLICY_ID = 9_101
READINESS_STATE_ID = 9_201
CURRENCY = "EUR"
LISTING_FEE = Decimal("0.20")


@dataclass(frozen=True, slots=True)
class EtsyFee:
    """A call that cost the seller money; ``amount`` is in US dollars."""

    operation: str
    listing_id: int
    at: datetime
    amount: Decimal = LISTING_FEE


@dataclass(slots=True)
class EtsyState:
    """The seller's shop, in the shapes of Etsy's answers.

    Attributes:
        listings: the listings by their ids, without their images and inventories.
        images: the images of each listing, in the order of their ranks.
        inventories: the inventory of each listing.
        receipts: the receipts in the order of the sales.
        fees: the calls that published or renewed a listing.
        taxonomy: the categories' names by their ids.
        in_eu: whether the shop is in the EU, where an active listing needs no return policy.
    """

    now: Callable[[], datetime]
    listings: dict[int, Record] = field(default_factory=dict)
    images: dict[int, list[Record]] = field(default_factory=dict)
    inventories: dict[int, Record] = field(default_factory=dict)
    receipts: list[Record] = field(default_factory=list)
    fees: list[EtsyFee] = field(default_factory=list)
    shipping_profiles: set[int] = field(default_factory=lambda: {SHIPPING_PROFILE_ID})
    return_policies: set[int] = field(default_factory=lambda: {RETURN_POLICY_ID})
    readiness_states: set[int] = field(default_factory=lambda: {READINESS_STATE_ID})
    taxonomy: dict[int, str] = field(
        default_factory=lambda: {1: "Accessories", 374: "Clothing", 1063: "Jewelry", 66: "Art"}
    )
    in_eu: bool = True
    _last_number: int = 0

    def next_number(self) -> int:
        """Return a number that was not used before."""
        self._last_number += 1
        return self._last_number

    def timestamp(self) -> int:
        """Return the present time, in seconds since 1970."""
        return int(self.now().timestamp())


def money(amount: Decimal) -> Record:
    """Return an amount as Etsy shows it: ``{amount, divisor, currency_code}``."""
    return {"amount": int(amount * 100), "divisor": 100, "currency_code": CURRENCY}


def amount_of(shown: Record) -> Decimal:
    """Return the amount of a record that :func:`money` made."""
    return Decimal(shown["amount"]) / Decimal(shown["divisor"])
