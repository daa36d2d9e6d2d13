"""A message at the earliest of many times, without a timer for each."""

from datetime import datetime
from typing import Any

from runtime.process.clock import Clock


class Alarm:
    """Tells an actor the same message at each of the times that it is set to, or earlier.

    A time is passed over where an earlier one is set: who is told looks what is due, and sets it
    anew. So no timer is ever taken back, and few are set.
    """

    def __init__(self, clock: Clock, actor: str, message: Any) -> None:
        self._clock = clock
        self._actor = actor
        self._message = message
        self._set: list[datetime] = []

    def set(self, when: datetime | None) -> None:
        """Tell at that time at the latest; None: at no time."""
        now = self._clock.now()
        while self._set and self._set[-1] <= now:
            self._set.pop()
        if when is None or (self._set and self._set[-1] <= when):
            return
        self._set.append(when)
        self._clock.call_at(when, self._actor, self._message)
