"""Puts the operations of the simulated eBay together, and checks who may call them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from plugins.ebay.sandbox.account import AccountOperations
from plugins.ebay.sandbox.errors import answer, error, refused
from plugins.ebay.sandbox.items import ItemOperations
from plugins.ebay.sandbox.listing_check import POLICIES
from plugins.ebay.sandbox.oauth import EbayOAuth, bearer_of
from plugins.ebay.sandbox.offers import OfferOperations
from plugins.ebay.sandbox.operations import routes_of
from plugins.ebay.sandbox.orders import OrderOperations
from plugins.ebay.sandbox.quotas import ApiQuotas
from plugins.ebay.sandbox.state import EbayFee, EbayState, Record
from runtime.sandbox import Answer, Call, Request, Route, SellerSandbox, Unreadable

LOCATION = "warehouse"
MARKETPLACE = "EBAY_FR"


class EbaySandbox(SellerSandbox):
    """One seller's eBay, and the application that may act for her.

    The seller has a location ``warehouse`` and, on EBAY_FR, the policies ``fulfillment-1``,
    ``payment-1`` and ``return-1``; ``account`` makes more.

    Attributes:
        oauth: the application's credentials, its consent page, and the tokens.
        limits: the application's daily quotas.
        names_existing_offer: whether error 25002 tells the id of the offer that exists.
        warnings: the ``warnings`` of successful answers, by operation.
    """

    oauth: EbayOAuth

    def __init__(
        self,
        *,
        client_id: str = "ebay-client",
        client_secret: str = "ebay-secret",  # noqa: S107 - of an invented application
        runame: str = "Example-Runtime-RuName",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(now)
        self._state = EbayState(now)
        # The SKUs that a write has in hand; eBay allows one writer for each.
        self._busy: set[str] = set()
        self.oauth = EbayOAuth(client_id, client_secret, runame, now)
        self.limits = ApiQuotas(now)
        self.account = AccountOperations(self._state)
        self.warnings: dict[str, list[Record]] = {}
        self._offers = OfferOperations(self._state)
        self._orders = OrderOperations(self._state)
        self.account.add_location(LOCATION)
        for kind in POLICIES:
            self.account.add_policy(kind, f"{kind}-1", MARKETPLACE)
        self.routes = routes_of(
            self.oauth,
            ItemOperations(self._state),
            self._offers,
            self._orders,
            self.account,
            self.limits,
            lambda: self.url,
        )

    # --- what tests and the demo look at and do ---------------------------------------------

    @property
    def items(self) -> dict[str, Record]:
        """A copy of the inventory items, by SKU."""
        return self._copied(self._state.items)

    @property
    def offers(self) -> dict[str, Record]:
        """A copy of the offers, by offer id."""
        return self._copied(self._state.offers)

    @property
    def listings(self) -> dict[str, Record]:
        """A copy of the offers that buyers can see, by listing id."""
        return {
            offer["listing"]["listingId"]: offer
            for offer in self.offers.values()
            if offer["status"] == "PUBLISHED"
        }

    @property
    def orders(self) -> list[Record]:
        """A copy of the orders, in order of sale."""
        return self._copied(self._state.orders)

    @property
    def fees(self) -> list[EbayFee]:
        """Each call that cost money, in order."""
        return self._copied(self._state.fees)

    @property
    def names_existing_offer(self) -> bool:
        """Whether error 25002 tells the id of the offer that exists; usually it does."""
        return self._offers.names_existing

    @names_existing_offer.setter
    def names_existing_offer(self, value: bool) -> None:
        self._offers.names_existing = value

    def sell(self, sku: str, quantity: int = 1, buyer: str = "example-buyer") -> Record:
        """Let somebody buy; returns the order.

        Raises:
            ValueError: so many pieces are not on sale.
        """
        # A call that a fault let land late may be due by now.
        self.settle()
        with self._lock:
            return self._orders.sell(sku, quantity, buyer)

    def cancel_order(self, order_id: str) -> None:
        """Let an order be cancelled and paid back."""
        with self._lock:
            self._orders.cancel(order_id)

    # --- the doorman ------------------------------------------------------------------------

    def admit(self, route: Route, call: Call) -> None:
        """Check the token, its scopes, and the application's quota."""
        if not route.scopes:
            return
        token = bearer_of(call)
        if token is None:
            raise refused(401, 1002)
        grant = self.oauth.tokens.access(token)
        if grant is None:
            raise refused(401, 1001, "Check the value of the Authorization HTTP request header.")
        # One of the scopes is enough: a read is allowed by the scope of writes, too.
        if not route.scopes & grant.scopes:
            raise refused(403, 1100, "Insufficient permissions to fulfill the request.")
        # Only a call that is otherwise in order uses up the quota.
        if not self.limits.take(call.request.path):
            raise refused(429, 2001, "The request limit has been reached for the resource.")

    def _written_sku(self, route: Route, call: Call) -> str | None:
        if route.method == "GET" or "/sell/inventory/" not in route.template:
            return None
        if "sku" in call.path:
            return call.path["sku"]
        if offer := self._state.offers.get(call.path.get("offerId", "")):
            return str(offer["sku"])
        try:
            body = call.request.json()
        except Unreadable:
            return None
        return str(body["sku"]) if isinstance(body, dict) and "sku" in body else None

    @contextmanager
    def occupied(self, route: Route, call: Call) -> Iterator[None]:
        """Let one write of each SKU pass at a time; a second write is refused with 25025."""
        with self._lock:
            subject = self._written_sku(route, call)
            if subject in self._busy:
                # A 500 that surely had no effect: a client that reads the code need not look
                # whether it had.
                raise refused(500, 25025)
            if subject is not None:
                self._busy.add(subject)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(subject or "")

    def dressed(self, route: Route | None, answer: Answer) -> Answer:
        """Return the answer with the warnings that its operation carries now."""
        warnings = self.warnings.get(route.operation) if route else None
        if not warnings or answer.status >= 300:
            return answer
        # A 204 can carry no warnings.
        status = 200 if answer.status == 204 else answer.status
        return Answer(status, {**(answer.body or {}), "warnings": warnings}, answer.headers)

    def unknown(self, request: Request) -> Answer:
        """404 in eBay's shape."""
        return answer(404, error(2002, f"{request.method} {request.path}"))

    def unreadable(self, reason: str) -> Answer:
        """400 in eBay's shape."""
        return answer(400, error(2004, reason))

    def failed(self) -> Answer:
        """500 with 25001."""
        return answer(500, error(25001))

    def limited(self) -> Answer:
        """429 with 2001, and no Retry-After."""
        return answer(429, error(2001))
