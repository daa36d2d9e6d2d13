"""Tells an actor a message at the earliest of many times, without a timer for each."""

from datetime import datetime
from typing import Any

from runtime.process.clock import Clock


class Alarm:
    """Tells an actor the same message at each of its times, or earlier.

    A time is ignored while an earlier one is set: the actor then looks what is due, and sets the
    alarm anew. So no timer is ever cancelled, and few are set.
    """

    def __init__(self, clock: Clock, actor: str, message: Any) -> None:
        self._clock = clock
        self._actor = actor
        self._message = message
        # The latest comes first, because a time is only added if it is earlier than all others.
        self._set: list[datetime] = []

    def set(self, when: datetime | None) -> None:
        """Tell the message at that time at the latest; None sets no time."""
        now = self._clock.now()
        while self._set and self._set[-1] <= now:
            self._set.pop()
        if when is None or (self._set and self._set[-1] <= when):
            return
        self._set.append(when)
        self._clock.call_at(when, self._actor, self._message)
