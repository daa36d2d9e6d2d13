"""Decides how soon a failed actor is restarted, and when it counts as down."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pykka

from actors.pulse import PulseWatch

FIRST_BACKOFF = timedelta(milliseconds=100)
DOWN_FOR = timedelta(minutes=1)
HEALTHY_AFTER = timedelta(minutes=1)
MAX_FAILURES = 5
# At two looks a second these are 30 s in one message.
HUNG_AFTER_LOOKS = 60


class Child:
    """One supervised actor.

    It is restarted with growing delays. After more than ``MAX_FAILURES`` failures without a healthy
    minute in between the actor is *down*: it is tried again only once in ``DOWN_FOR``.

    Attributes:
        incarnation: grows with every start; reports of former incarnations do not count.
        awaits_hand_back: whether its jobs are being handed back before it starts again.
        failed_already: whether its failure was counted, so that its silent death is not another.
        watch: finds out whether the actor hangs.
        suspect: the job whose code ran when the actor hung, or None.
    """

    def __init__(self, name: str, spawn: Callable[[int], pykka.ActorRef[Any]]) -> None:
        self.name = name
        self.incarnation = 0
        self.awaits_hand_back = False
        self.failed_already = False
        self._spawn = spawn
        self._ref: pykka.ActorRef[Any] | None = None
        self._failures = 0
        self._started_at: datetime | None = None
        self.watch = PulseWatch(HUNG_AFTER_LOOKS)
        self.suspect: int | None = None

    @property
    def down(self) -> bool:
        """Whether the actor failed too often."""
        return self._failures > MAX_FAILURES

    def adopt(self, ref: pykka.ActorRef[Any], incarnation: int) -> None:
        """Supervise an actor that runs already."""
        self._ref = ref
        self.incarnation = incarnation

    def start(self) -> None:
        """Start the next incarnation."""
        self.incarnation += 1
        self.failed_already = False
        self._ref = self._spawn(self.incarnation)

    def started(self, now: datetime) -> None:
        """Note that the actor reported its start."""
        self._started_at = now

    def failed(self, now: datetime) -> timedelta:
        """Count a failure; returns the time until the actor is to be restarted."""
        self.failed_already = True
        # An actor that ran well for a minute failed by something new.
        if self._started_at is not None and now - self._started_at > HEALTHY_AFTER:
            self._failures = 0
        # Without a new start, the next failure must not find the former start and be forgiven.
        self._started_at = None
        self._failures += 1
        if self.down:
            return DOWN_FOR
        return FIRST_BACKOFF * (1 << (self._failures - 1))

    def died_silently(self) -> bool:
        """Return whether the actor is gone although it reported no failure."""
        return not self.failed_already and self._ref is not None and not self._ref.is_alive()
