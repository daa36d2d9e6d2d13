"""The share of its limits that a scope may use: halved by a 429 that says nothing."""

from datetime import datetime, timedelta

LEAST = 1 / 64
FULL_AFTER = timedelta(minutes=10)
"""Time in which the rate creeps from nothing back to all of it."""

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
        """Halve it; not twice for calls that were under way together.

        Args:
            left_at: when the call left that was refused.
        """
        if self._since is not None and left_at <= self._since:
            return False
        self._start = max(LEAST, self.at(now) / 2)
        self._since = now
        return True

    def full_at(self) -> datetime | None:
        """Return when it is 1 again, or None where it always was."""
        if self._since is None:
            return None
        return self._since + FULL_AFTER * (1 - self._start)


class ObservedRate:
    """About how many releases a scope has had in ten seconds."""

    __slots__ = ("_before", "_count", "_start")

    def __init__(self) -> None:
        self._start: datetime | None = None
        self._count = 0
        self._before = 0

    def release(self, now: datetime) -> None:
        """Count a release."""
        if self._start is None or now - self._start >= 2 * LOOK_BACK:
            self._start, self._count, self._before = now, 0, 0
        elif now - self._start >= LOOK_BACK:
            self._start, self._count, self._before = self._start + LOOK_BACK, 0, self._count
        self._count += 1

    @property
    def count(self) -> int:
        """Releases in ten seconds; at least 1."""
        return max(1, self._count, self._before)

    def idle_at(self) -> datetime | None:
        """From when on nothing of it matters; None: from the start."""
        return None if self._start is None else self._start + 2 * LOOK_BACK
