"""Remembers the recent releases of a scope, for limits that become known only afterwards.

The first answers of a marketplace announce a limit while other calls are under way. Were these
counted nowhere, they would be missing in a window of which everything else is counted.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
LONGEST = timedelta(days=1)
IN_THE_AIR = timedelta(minutes=1)
"""The longest time between a call's leaving and an answer that announces a limit for it."""


class RecentReleases:
    """Counts the releases of the last day by the hour, each as late as the last of its hour."""

    __slots__ = ("_hours",)

    def __init__(self) -> None:
        self._hours: list[tuple[datetime, datetime, int]] = []

    def release(self, now: datetime) -> None:
        """Count a release."""
        began, count = now, 0
        if self._hours and now - self._hours[-1][0] < HOUR:
            began, _, count = self._hours.pop()
        # All releases of the hour count from the last one on, so that none slides out of a window
        # too early.
        self._hours.append((began, now, count + 1))
        while now - self._hours[0][1] >= LONGEST:
            del self._hours[0]

    def __iter__(self) -> Iterator[tuple[datetime, int]]:
        """Return pairs of the time and the number of releases, the oldest first."""
        return ((last, count) for _, last, count in self._hours)

    def idle_at(self) -> datetime | None:
        """Return when hardly any call can still be under way; None if none was released."""
        return self._hours[-1][1] + IN_THE_AIR if self._hours else None
