"""What a scope released lately, for limits that become known only when it is done."""

from collections.abc import Iterator
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
LONGEST = timedelta(days=1)
IN_THE_AIR = timedelta(minutes=1)
"""How late an answer may announce a limit, after calls that left before it and are not answered."""


class Past:
    """Releases of the last day, by the hour; each counts as late as the last of its hour."""

    __slots__ = ("_hours",)

    def __init__(self) -> None:
        self._hours: list[tuple[datetime, datetime, int]] = []

    def release(self, now: datetime) -> None:
        """Count a release."""
        began, count = now, 0
        if self._hours and now - self._hours[-1][0] < HOUR:
            began, _, count = self._hours.pop()
        self._hours.append((began, now, count + 1))
        while now - self._hours[0][1] >= LONGEST:
            del self._hours[0]

    def __iter__(self) -> Iterator[tuple[datetime, int]]:
        """Return when and how many were released."""
        return ((last, count) for _, last, count in self._hours)

    def idle_at(self) -> datetime | None:
        """From when on hardly any of it can be in the air; None: from the start."""
        return self._hours[-1][1] + IN_THE_AIR if self._hours else None
