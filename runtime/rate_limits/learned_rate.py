"""Learns the share of its limits that a scope may use; a 429 without a reason halves it.

Nothing of this is stored: after a restart the rate is whole again, and a marketplace that still
minds says 429 again.
"""

from datetime import datetime, timedelta

# Times are divided by the share, so that it must stay above 0.
LEAST = 1 / 64
FULL_AFTER = timedelta(minutes=10)
"""The time in which the share grows from 0 to 1."""

LOOK_BACK = timedelta(seconds=10)


class LearnedRate:
    """A share between ``LEAST`` and 1 that grows with time."""

    __slots__ = ("_since", "_start")

    def __init__(self) -> None:
        self._start = 1.0
        self._since: datetime | None = None

    def at(self, now: datetime) -> float:
        """Return the share at that time."""
        if self._since is None:
            return 1.0
        return min(1.0, self._start + max(now - self._since, timedelta(0)) / FULL_AFTER)

    def halve(self, now: datetime, left_at: datetime) -> bool:
        """Halve the share once for all calls that were under way together; returns whether it did.

        Args:
            left_at: the time when the refused call left.
        """
        # A call that left before the share was halved says nothing about the halved rate.
        if self._since is not None and left_at <= self._since:
            return False
        self._start = max(LEAST, self.at(now) / 2)
        self._since = now
        return True

    def full_at(self) -> datetime | None:
        """Return when the share is 1 again, or None if it was never halved."""
        if self._since is None:
            return None
        return self._since + FULL_AFTER * (1 - self._start)


class ObservedRate:
    """Counts roughly how many releases a scope has had in ten seconds."""

    __slots__ = ("_before", "_count", "_start")

    def __init__(self) -> None:
        self._start: datetime | None = None
        self._count = 0
        self._before = 0

    def release(self, now: datetime) -> None:
        """Count a release."""
        # Two numbers and not a list of times: every watched scope has such a counter, and only a
        # guess is made from it.
        if self._start is None or now - self._start >= 2 * LOOK_BACK:
            self._start, self._count, self._before = now, 0, 0
        elif now - self._start >= LOOK_BACK:
            self._start, self._count, self._before = self._start + LOOK_BACK, 0, self._count
        self._count += 1

    @property
    def count(self) -> int:
        """The releases in ten seconds; at least 1, because a limit of 0 would let none through."""
        # The present interval may just have begun, so that the one before it counts, too.
        return max(1, self._count, self._before)

    def idle_at(self) -> datetime | None:
        """Return when this can be forgotten; None if nothing was counted."""
        return None if self._start is None else self._start + 2 * LOOK_BACK
