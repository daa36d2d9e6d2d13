"""What a marketplace's record offers to the demo: the account of a simulated seller."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from runtime.marketplaces.credentials import Credentials

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
"""What the demo sells; the settings of each simulated account make it fit for the marketplace."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a simulated marketplace has seen, whatever the runtime believes.

    Attributes:
        published: how often something was put on sale since the account was opened.
        lost_answers: how many answers got lost, of those that were to.
        sold: pieces that were bought.
        on_sale: listings that can be bought now.
    """

    published: int
    lost_answers: int
    sold: int
    on_sale: int


class SimulatedAccount(Protocol):
    """A seller's account on a marketplace that runs on this machine only."""

    @property
    def marketplace(self) -> "Marketplace":
        """The record that leads there instead of to the real one."""

    @property
    def external_id(self) -> str:
        """The shop's."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The shop's."""

    def credentials(self) -> Credentials | None:
        """What the seller's consent gives; None where a browser executes."""

    def browser(self, url: str, user_id: int, token: str) -> AbstractContextManager[Any]:
        """The seller's browser, connected to the bridge at ``url``; nothing where none is needed.

        Raises:
            NotSent: the bridge does not let it in.
        """

    def lose_an_answer(self) -> None:
        """Let the answer to the next publication get lost, although it happens."""

    def sell(self, sku: str) -> None:
        """Let somebody buy one piece.

        Raises:
            ValueError: none is on sale.
        """

    def tally(self) -> Tally:
        """What has happened."""


OpenAccount = Callable[[str, int], AbstractContextManager[SimulatedAccount]]
"""Takes a name for the account, and how many listings it begins with, where it can have some."""
