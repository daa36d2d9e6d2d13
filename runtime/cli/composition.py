"""The parts that the composition root hands to the commands, which must not import actors."""

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
        """Start all actors, or raise and leave none of them running."""

    def stop(self) -> bool:
        """Stop in order; returns whether everything was recorded."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of actors and handler plugins that the commands need."""

    make_service: Callable[[Settings, Database, Registry], Service]
