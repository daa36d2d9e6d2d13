"""Names of actors, resolved at delivery."""

import threading
from typing import Any

import pykka
import structlog

log = structlog.get_logger(__name__)


class Directory:
    """Who is who on this node."""

    def __init__(self) -> None:
        self._refs: dict[str, pykka.ActorRef[Any]] = {}
        self._lock = threading.Lock()

    def register(self, name: str, ref: pykka.ActorRef[Any]) -> None:
        """From now on messages to the name go there."""
        with self._lock:
            self._refs[name] = ref

    def ref(self, name: str) -> pykka.ActorRef[Any] | None:
        """Who has the name now."""
        return self._refs.get(name)

    def tell(self, name: str, message: Any) -> None:
        """Deliver a hint. One for a name that nobody has, or whose actor died, is lost."""
        ref = self._refs.get(name)
        try:
            if ref is None:
                raise pykka.ActorDeadError(name)
            ref.tell(message)
        except pykka.ActorDeadError:
            log.debug("message lost", actor=name, message=type(message).__name__)
