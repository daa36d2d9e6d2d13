"""Names of actors, resolved at delivery."""

from dataclasses import dataclass, field
from typing import Any

import pykka
import structlog

from actors.pulse import Pulse

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """An actor under a name."""

    ref: pykka.ActorRef[Any]
    incarnation: int
    pulse: Pulse = field(default_factory=Pulse)


class Directory:
    """Finds the actors of this node by their names.

    Actors know only names of each other, so a restarted actor is reached like its predecessor.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def register(
        self, name: str, ref: pykka.ActorRef[Any], incarnation: int, pulse: Pulse | None = None
    ) -> None:
        """From now on messages to the name go there."""
        self._entries[name] = Entry(ref, incarnation, pulse or Pulse())

    def is_superseded(self, name: str, incarnation: int) -> bool:
        """Return whether a later incarnation has the name."""
        entry = self._entries.get(name)
        return entry is not None and entry.incarnation > incarnation

    def find(self, name: str) -> Entry | None:
        """Return the actor that has the name now, or None if there is none or it died."""
        entry = self._entries.get(name)
        return entry if entry is not None and entry.ref.is_alive() else None

    def tell(self, name: str, message: Any) -> None:
        """Deliver a hint; it is lost if nobody has the name, or if the actor died."""
        # Losing it is no error: an actor that waits for an answer asks again after a restart.
        entry = self._entries.get(name)
        try:
            if entry is None:
                raise pykka.ActorDeadError(name)
            entry.ref.tell(message)
        except pykka.ActorDeadError:
            log.debug("message lost", actor=name, message=type(message).__name__)
