"""Sums up lines of the log that somebody outside could repeat without end."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

INTERVAL = timedelta(minutes=1)
MOST_REMEMBERED = 1_000
_OTHERS = object()


@dataclass(slots=True)
class _Summary:
    """What was said since the last line of its kind.

    Attributes:
        write: the logger's method.
        fields: those of the newest line that was not written.
        ends_at: the end of the interval, in seconds of the monotonic clock.
    """

    write: Callable[..., Any]
    fields: dict[str, Any]
    ends_at: float
    repeated: int = 0


class RepeatedLines:
    """Writes the first line of a kind about somebody, and then one line for each interval.

    The later line has the fields of the newest one that it stands for, and ``repeated``, their
    number. The memory has a bound: beyond ``MOST_REMEMBERED`` lines, all others of a kind are
    taken for lines about one somebody. It is for one thread alone.

    Args:
        now: the monotonic clock, in seconds.
    """

    def __init__(
        self, interval: timedelta = INTERVAL, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = interval.total_seconds()
        self._now = now
        # All intervals are equally long, so the first one of the dictionary ends first.
        self._summaries: dict[tuple[str, Hashable], _Summary] = {}

    def say(self, write: Callable[..., Any], event: str, about: Hashable, **fields: Any) -> bool:
        """Write a line, or count it; returns whether it was only counted.

        Args:
            write: the logger's method, such as ``log.warning``.
            event: one of a few texts of the program, never a text from outside.
            about: whom the line is about, such as a seller's id.
        """
        self._write_counts()
        key: tuple[str, Hashable] = (event, about)
        if key not in self._summaries and len(self._summaries) >= MOST_REMEMBERED:
            key = (event, _OTHERS)
        summary = self._summaries.get(key)
        if summary is None:
            self._summaries[key] = _Summary(write, fields, self._now() + self._seconds)
            write(event, **fields)
            return False
        summary.fields = fields
        summary.repeated += 1
        return True

    def sum_up(self) -> bool:
        """Write the counts of the intervals that are over, and forget who has come to rest.

        Returns:
            whether lines are counted that are not written yet.
        """
        self._write_counts()
        return any(summary.repeated for summary in self._summaries.values())

    def _write_counts(self) -> None:
        now = self._now()
        while self._summaries:
            key, summary = next(iter(self._summaries.items()))
            if summary.ends_at > now:
                return
            del self._summaries[key]
            if summary.repeated:
                summary.write(key[0], **summary.fields, repeated=summary.repeated)
                self._summaries[key] = _Summary(summary.write, {}, now + self._seconds)
