"""What the composition root hands to the commands, because it imports what they may not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from runtime.handlers.registry import Registry
from runtime.process.config import Settings
from runtime.storage.server.engine import Database


class Service(Protocol):
    """A running service."""

    @property
    def bridge_port(self) -> int:
        """The port that the bridge listens on."""

    def start(self) -> None:
        """Start everything, or raise and leave nothing running."""

    def stop(self) -> bool:
        """Stop in order; returns whether everything was recorded."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the commands need of actors and handler plugins."""

    make_service: Callable[[Settings, Database, Registry], Service]
