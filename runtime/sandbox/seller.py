"""A sandbox of one seller, and her account as the demo opens it."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from runtime.marketplaces.credentials import Credentials
from runtime.marketplaces.record import Marketplace
from runtime.marketplaces.simulation import Tally
from runtime.sandbox.faults import Fault
from runtime.sandbox.server import Sandbox

T = TypeVar("T")


class Consents(Protocol):
    """The token endpoint of a sandbox."""

    def connect(self) -> dict[str, Any]:
        """Return what redeeming a code brings, without a browser."""


class SellerSandbox(Sandbox):
    """A simulated marketplace with one seller, who can consent and from whom somebody can buy.

    Attributes:
        oauth: the operations of consent and tokens.
    """

    oauth: Consents

    @property
    @abstractmethod
    def fees(self) -> Sequence[object]:
        """Each call that cost money, in order; each of them put something on sale."""

    @abstractmethod
    def sell(self, sku: str, quantity: int = 1) -> dict[str, Any]:
        """Let somebody buy; returns the order.

        Raises:
            ValueError: so many are not on sale.
        """

    def connect(self) -> dict[str, Any]:
        """Consent without a browser; return what redeeming a code answers."""
        with self._lock:
            return self.oauth.connect()

    def _copied(self, value: T) -> T:
        """Return a copy of a part of the state, in which all that is due has landed."""
        # A look at the state shows what a marketplace's own pages would show: a call that arrived
        # late but is due by now has landed.
        self.settle()
        with self._lock:
            return copy.deepcopy(value)


S = TypeVar("S", bound=SellerSandbox)


class ApiAccount(ABC, Generic[S]):
    """The account of a simulated seller on a marketplace that is called over HTTP.

    A subclass is a :class:`runtime.sandbox.SimulatedAccount`: she consents, and needs no browser.

    Attributes:
        external_id: the id of the shop.
        marketplace: the record that leads to the sandbox.
        settings: the settings of the shop.
        publication: the operation that puts something on sale.
    """

    settings: Mapping[str, Any]
    publication: str

    def __init__(self, external_id: str, marketplace: Marketplace, sandbox: S) -> None:
        self.external_id = external_id
        self.marketplace = marketplace
        self._sandbox = sandbox

    @abstractmethod
    def sold(self) -> int:
        """Return how many pieces were bought."""

    @abstractmethod
    def on_sale(self) -> int:
        """Return how many listings can be bought now."""

    def credentials(self) -> Credentials:
        """Return the tokens of a consent."""
        given = self._sandbox.connect()
        expires = self._sandbox.now() + timedelta(seconds=given["expires_in"])
        return Credentials(given["access_token"], expires, given["refresh_token"])

    def browser(self, url: str, user_id: int, token: str) -> AbstractContextManager[Any]:  # noqa: ARG002 - the interface
        """Open nothing: an API is called without a browser."""
        return nullcontext()

    def lose_an_answer(self) -> None:
        """Answer the next publication with 500, although it happens."""
        # This is the worst that a write can meet: a runtime that trusts the 500 publishes twice.
        self._sandbox.faults.plan(self.publication, Fault.DONE_BUT_FAILED)

    def sell(self, sku: str) -> None:
        """Sell one piece to one buyer."""
        self._sandbox.sell(sku)

    def tally(self) -> Tally:
        """Count what the marketplace knows."""
        return Tally(
            # Counted are fees and not listings: a second listing that was deleted again cost money
            # all the same.
            published=len(self._sandbox.fees),
            lost_answers=self._sandbox.faults.happened,
            sold=self.sold(),
            on_sale=self.on_sale(),
        )
