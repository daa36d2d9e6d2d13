"""Puts the operations of the simulated Etsy together, and checks who may call them."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime

from plugins.etsy.sandbox.errors import plain
from plugins.etsy.sandbox.images import ImageOperations
from plugins.etsy.sandbox.inventory import InventoryOperations
from plugins.etsy.sandbox.listings import ListingOperations
from plugins.etsy.sandbox.oauth import EtsyOAuth
from plugins.etsy.sandbox.operations import WITHOUT_KEY, routes_of
from plugins.etsy.sandbox.quotas import ApplicationQuotas
from plugins.etsy.sandbox.receipts import ReceiptOperations
from plugins.etsy.sandbox.shop import ShopOperations
from plugins.etsy.sandbox.state import SHOP_ID, USER_ID, EtsyFee, EtsyState, Record
from runtime.sandbox import Answer, Call, Request, Route, SellerSandbox


class EtsySandbox(SellerSandbox):
    """One seller's Etsy, and the application that may act for her.

    The seller is user 7001 with shop 5001, which has shipping profile 9001, return policy 9101
    and readiness state 9201; categories are 1, 66, 374 and 1063.

    Attributes:
        oauth: the application's credentials, where a consent leads, and the tokens.
        limits: the application's limits.
        user_id, shop_id: the seller's.
    """

    user_id = USER_ID
    shop_id = SHOP_ID
    oauth: EtsyOAuth

    def __init__(
        self,
        *,
        keystring: str = "etsy-keystring",
        shared_secret: str = "etsy-secret",  # noqa: S107 - of an invented application
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(now)
        self._state = EtsyState(now)
        self.oauth = EtsyOAuth(keystring, shared_secret, now)
        self.limits = ApplicationQuotas(now)
        self._receipts = ReceiptOperations(self._state)
        listings = ListingOperations(self._state)
        self.routes = routes_of(
            self.oauth,
            ShopOperations(self._state),
            listings,
            ImageOperations(self._state, listings),
            InventoryOperations(self._state),
            self._receipts,
        )

    # --- what tests and the demo look at and do ---------------------------------------------

    @property
    def listings(self) -> dict[int, Record]:
        """A copy of the listings by id, each with its ``images`` and its ``inventory``."""
        # A call that a fault let land late may be due by now.
        self.settle()
        with self._lock:
            return {
                listing_id: copy.deepcopy(
                    {
                        **listing,
                        "images": self._state.images[listing_id],
                        "inventory": self._state.inventories[listing_id],
                    }
                )
                for listing_id, listing in self._state.listings.items()
            }

    @property
    def orders(self) -> list[Record]:
        """A copy of the receipts, in order of sale."""
        return self._copied(self._state.receipts)

    @property
    def fees(self) -> list[EtsyFee]:
        """Each call that cost money, in order."""
        return self._copied(self._state.fees)

    @property
    def in_eu(self) -> bool:
        """Whether the shop is in the EU, where an active listing needs no return policy."""
        return self._state.in_eu

    @in_eu.setter
    def in_eu(self, value: bool) -> None:
        self._state.in_eu = value

    def sell(self, sku: str, quantity: int = 1) -> Record:
        """Let somebody buy; returns the receipt.

        Raises:
            ValueError: so many pieces are not on sale.
        """
        self.settle()
        with self._lock:
            return self._receipts.sell(sku, quantity)

    def cancel_order(self, receipt_id: int) -> None:
        """Let an order be cancelled and paid back."""
        with self._lock:
            self._receipts.cancel(receipt_id)

    # --- the doorman ------------------------------------------------------------------------

    def admit(self, route: Route, call: Call) -> None:
        """Check the key, the token, its scopes, and the application's limits."""
        if route.operation in WITHOUT_KEY:
            return
        # Calls with a wrong key count against no limit; calls with a bad token do.
        self.oauth.check_key(call)
        self.limits.take()
        if route.scopes:
            self.oauth.check_token(call, route.scopes)

    def dressed(self, route: Route | None, answer: Answer) -> Answer:
        """Return the answer with the headers that tell of the limits."""
        if route is None or route.operation in WITHOUT_KEY:
            return answer
        headers = {**self.limits.headers(), **answer.headers}
        return Answer(answer.status, answer.body, headers)

    def unknown(self, request: Request) -> Answer:
        """404 in Etsy's shape."""
        return plain(404, f"Resource not found: {request.method} {request.path}")

    def unreadable(self, reason: str) -> Answer:
        """400 in Etsy's shape."""
        return plain(400, reason)

    def failed(self) -> Answer:
        """500 in Etsy's shape."""
        return plain(500, "Server error")

    def limited(self) -> Answer:
        """429 without any information."""
        return plain(429, "Exceeded rate limit")
