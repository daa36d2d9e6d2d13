"""Spreads the releases of a short window evenly, and never overdraws it."""

from collections import deque
from datetime import datetime, timedelta

from runtime.rate_limits.limits import Limit

CLOSER = 0.98
"""The share of the even spacing that two releases keep, so that a late one costs no capacity."""

MARGIN = 1.003
"""Two requests may arrive closer together than they left, because one of them travelled faster.
Windows are stretched by this factor to cover that. A larger factor would waste 1 % of the limit
where every wake-up is late by 5 ms."""

CATCH_UP = timedelta(milliseconds=20)
"""A wake-up that is late by at most this time does not shift the releases after it."""


class PacedWindow:
    """At most ``limit.count`` releases in any half-open window of ``limit.per``, and arrivals, too.

    One hard rule guarantees this: a release comes at least ``per`` (and a little more for the
    way) after the release that was ``count`` releases before it. The spacing only keeps the
    releases from going all at once.
    """

    __slots__ = ("_next", "_released", "limit")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        # With this length the first entry is the release that the hard rule compares with.
        self._released: deque[datetime] = deque(maxlen=limit.count)
        self._next: datetime | None = None

    def free_at(self, now: datetime, rate: float = 1.0) -> datetime:
        """Return when the next release may happen; ``now`` if it may at once.

        Args:
            rate: the share of the limit that may be used, above 0 and at most 1.
        """
        free = now if self._next is None else max(now, self._next)
        if len(self._released) == self.limit.count:
            # A lower rate stretches the window and leaves the count as it is, so that it also works
            # for a limit of one call.
            free = max(free, self._released[0] + self.limit.per / rate * MARGIN)
        return free

    def release(self, now: datetime, rate: float = 1.0) -> None:
        """Count a release."""
        # The next release is planned from the plan and not from a wake-up that is a little late,
        # or the delays would add up.
        planned = self._next
        if planned is None or now - planned > CATCH_UP:
            planned = now
        self._next = planned + self.limit.per / rate / self.limit.count * CLOSER
        self._released.append(now)

    def was_released(self, when: datetime, count: int) -> None:
        """Count releases that happened before this limit was known."""
        # An hour may have had thousands of releases, and the hard rule looks no further back than
        # the limit's count.
        self._released.extend([when] * min(count, self.limit.count))

    def left(self, released_at: datetime, now: datetime) -> None:
        """Move a release that was counted at an earlier time to the time when it really leaves."""
        if released_at in self._released:
            self._released.remove(released_at)
            self._released.append(now)

    def change(self, limit: Limit) -> None:
        """Keep to another limit from now on; former releases still count."""
        if limit.count != self.limit.count:
            # A deque keeps the newest entries, with which the hard rule compares.
            self._released = deque(self._released, maxlen=limit.count)
        self.limit = limit

    def idle_at(self) -> datetime | None:
        """Return when this can be forgotten; None if nothing was released."""
        return self._released[-1] + self.limit.per * MARGIN if self._released else None
