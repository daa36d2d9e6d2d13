"""What the composition root hands to the commands, because it imports what they may not."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from runtime.config import Settings
from runtime.registry import Registry
from runtime.storage.engine import Database


class Service(Protocol):
    """A running service."""

    @property
    def bridge_port(self) -> int:
        """The port that the bridge listens on."""

    def start(self) -> None:
        """Start everything, or raise and leave nothing running."""

    def stop(self) -> bool:
        """Stop in order; returns whether everything was recorded."""


class ConnectSeller(Protocol):
    """Opens the browser of a simulated seller; leaving the context closes it."""

    def __call__(
        self, url: str, user_id: int, token: str, external_id: str, items: int
    ) -> AbstractContextManager[Any]:
        """Connect to the bridge at ``url``, with a wardrobe of so many items."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo shows."""

    marketplace: str
    action: str
    connect_seller: ConnectSeller


@dataclass(frozen=True, slots=True)
class Parts:
    """What the commands need of actors and handler plugins."""

    make_service: Callable[[Settings, Database, Registry], Service]
    demo: Demo
