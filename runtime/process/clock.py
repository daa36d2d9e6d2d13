"""Tells the time, and delivers messages at a time.

``SystemClock`` has one thread with a heap. ``ManualClock`` stands still until a test moves it, so
that tests of timeouts, pacing and backoff never sleep.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

# A lock raises OverflowError for waits that are much longer.
LONGEST_WAIT_SECONDS = 3_600.0

TOLERATED = timedelta(milliseconds=250)
"""A smaller difference from the database's clock is not corrected, because it harms nobody."""


def epoch_ms(when: datetime) -> int:
    """Return the time as it is sent: milliseconds since 1970, in UTC."""
    return int(when.timestamp() * 1_000)


def moved(when: datetime, by: timedelta) -> datetime:
    """Return the moment by so much later; a moment at the edge of the calendar stays."""
    try:
        return when + by
    except OverflowError:
        return when


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison with the database's clock found.

    Attributes:
        corrected: how far the time was moved to agree again; zero if it agreed. It is negative
            if the database's clock was behind.
        machine_behind: how far the machine's own clock is behind the database's; negative if it
            is ahead.
        uncertainty: how far both may be wrong, because the answer took its time.
    """

    corrected: timedelta
    machine_behind: timedelta
    uncertainty: timedelta


Tell = Callable[[str, Any], None]
"""Delivers a message to an actor by name, and never raises."""


class Timer:
    """A message that is due at a time; :meth:`cancel` withdraws it."""

    __slots__ = ("actor", "cancelled", "message")

    def __init__(self, actor: str, message: Any) -> None:
        self.actor = actor
        self.message = message
        self.cancelled = False

    def cancel(self) -> None:
        """Withdraw the message; this does nothing if it was delivered already."""
        self.cancelled = True


class Clock(Protocol):
    """The time as actors know it."""

    @property
    def lead(self) -> timedelta:
        """How far :meth:`now` is ahead of the database's clock, which was stepped back."""

    def now(self) -> datetime:
        """Return the time in UTC. It never steps back."""

    def call_at(self, when: datetime, actor: str, message: Any) -> Timer:
        """Tell the actor the message at that time, or at once if the time has passed."""


class _Schedule:
    """A heap of timers; of two with equal times, the one that was made earlier comes first."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Timer]] = []
        # The counter also keeps the heap from comparing two timers, which have no order.
        self._order = itertools.count()

    def push(self, when: datetime, timer: Timer) -> bool:
        """Add a timer; returns whether it is now the first."""
        heapq.heappush(self._heap, (when, next(self._order), timer))
        return self._heap[0][2] is timer

    def first(self) -> datetime | None:
        # A cancelled timer stays in the heap until it comes first: a heap finds no inner entry.
        while self._heap and self._heap[0][2].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: datetime) -> Timer | None:
        first = self.first()
        if first is None or first > now:
            return None
        return heapq.heappop(self._heap)[2]


class SystemClock:
    """The real time: the database's time as it was last compared, plus the monotonic clock.

    A correction of the machine's own clock moves nothing, because that clock counts only until
    the first comparison. The monotonic clock stands still while a machine is suspended, so
    every heartbeat compares again. Where the database's clock is ahead, the time moves on; where it
    is behind, the time goes on as it was, because deadlines of running work count on it, and
    :attr:`lead` says by how much moments differ that are stored or come from elsewhere.

    Args:
        wall: returns the time of the machine's own clock, in UTC.
        monotonic: returns seconds that never step back.
    """

    def __init__(
        self,
        tell: Tell,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._wall = wall
        self._monotonic = monotonic
        self._anchor = wall() - timedelta(seconds=monotonic())
        self._lead = timedelta(0)
        self._compared = False
        self._schedule = _Schedule()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)

    def start(self) -> None:
        """Start delivering."""
        self._thread.start()

    def stop(self) -> None:
        """Stop delivering; the remaining timers are forgotten."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def now(self) -> datetime:
        """See :class:`Clock`."""
        return self._anchor + timedelta(seconds=self._monotonic())

    @property
    def lead(self) -> timedelta:
        """See :class:`Clock`."""
        return self._lead

    def compare(self, there: datetime, asked_at: datetime, answered_at: datetime) -> Comparison:
        """Agree with the database's clock.

        Args:
            there: what the database's clock showed.
            asked_at: what :meth:`now` returned before the question was sent.
            answered_at: what it returned when the answer had come.
        """
        uncertainty = (answered_at - asked_at) / 2
        machine_behind = there + uncertainty - self._wall()
        behind = there - (asked_at + uncertainty - self._lead)
        if abs(behind) <= TOLERATED + uncertainty:
            behind = timedelta(0)
        with self._changed:
            # Before the first comparison nothing was begun that counts on the time.
            if self._compared:
                lead = max(self._lead - behind, timedelta(0))
                self._anchor += behind + lead - self._lead
                self._lead = lead
            else:
                self._anchor += behind
                self._compared = True
            # Timers may have fallen due.
            self._changed.notify()
        return Comparison(behind, machine_behind, uncertainty)

    def call_at(self, when: datetime, actor: str, message: Any) -> Timer:
        """See :class:`Clock`."""
        timer = Timer(actor, message)
        with self._changed:
            if self._schedule.push(when, timer):
                self._changed.notify()
        return timer

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                timer = self._schedule.pop_due(self.now())
                if timer is None:
                    first = self._schedule.first()
                    wait = None if first is None else (first - self.now()).total_seconds()
                    if wait is not None:
                        wait = min(max(wait, 0.0), LONGEST_WAIT_SECONDS)
                    self._changed.wait(wait)
                    continue
            # Outside of the lock, so that nobody who sets a timer waits for the delivery of
            # another.
            self._tell(timer.actor, timer.message)


class ManualClock:
    """Time that a test moves by hand."""

    def __init__(self, tell: Tell, start: datetime = datetime(2026, 1, 9, tzinfo=UTC)) -> None:
        self._tell = tell
        self.lead = timedelta(0)
        self._now = start
        self._schedule = _Schedule()

    def now(self) -> datetime:
        """See :class:`Clock`."""
        return self._now

    def call_at(self, when: datetime, actor: str, message: Any) -> Timer:
        """See :class:`Clock`."""
        timer = Timer(actor, message)
        self._schedule.push(when, timer)
        return timer

    def next_due(self) -> datetime | None:
        """Return when the next timer is due."""
        return self._schedule.first()

    def advance(self, duration: timedelta) -> None:
        """Move the time on, and deliver each message that falls due at its own time."""
        end = self._now + duration
        while (first := self._schedule.first()) is not None and first <= end:
            # Each message finds the time at which it was due, as it would in reality.
            self._now = max(self._now, first)
            timer = self._schedule.pop_due(self._now)
            if timer is not None:
                self._tell(timer.actor, timer.message)
        self._now = end
