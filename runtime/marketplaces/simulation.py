"""The account of a simulated seller, which a marketplace's record offers to the demo."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from runtime.marketplaces.credentials import Credentials

# The record names this protocol, and the protocol the record; only the type checker needs both.
if TYPE_CHECKING:
    from runtime.marketplaces.record import Marketplace

EXAMPLE_PRODUCT: Mapping[str, Any] = {
    "sku": "DEMO-1",
    "title": "Wool scarf",
    "description": "Hand-knitted, worn twice.",
    "price": "24.00",
    "currency": "EUR",
    "quantity": 1,
    "brand": "Example",
    "condition": "good",
    "category": "scarves",
    "images": ["scarf.png"],
}
"""The product that the demo sells; each account's settings make it fit for its marketplace."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The counts of a simulated marketplace, whatever the runtime believes.

    Attributes:
        published: the number of listings that were put on sale since the account was opened.
        lost_answers: the number of answers that got lost on purpose.
        sold: the number of pieces that were bought.
        on_sale: the number of listings that can be bought now.
    """

    published: int
    lost_answers: int
    sold: int
    on_sale: int


class SimulatedAccount(Protocol):
    """A seller's account on a marketplace that runs on this machine only."""

    @property
    def marketplace(self) -> "Marketplace":
        """The record that leads to the simulation instead of the real marketplace."""

    @property
    def external_id(self) -> str:
        """The external id of the shop."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the shop."""

    def credentials(self) -> Credentials | None:
        """Return the credentials of the seller's consent, or None if a browser executes."""

    def browser(self, url: str, user_id: int, token: str) -> AbstractContextManager[Any]:
        """Connect the seller's browser to the bridge at ``url``; do nothing if none is needed.

        Raises:
            NotSent: the bridge does not let it in.
        """

    def lose_an_answer(self) -> None:
        """Let the answer to the next publication get lost, although it happens."""

    def sell(self, sku: str) -> None:
        """Let somebody buy one piece.

        Raises:
            ValueError: no piece is on sale.
        """

    def tally(self) -> Tally:
        """Return the counts of the simulation."""


OpenAccount = Callable[[str, int], AbstractContextManager[SimulatedAccount]]
"""Takes a name for the account and the number of listings with which it begins."""
