"""Counts the releases of a long window in buckets, which slide out of the window.

A limit per day may allow thousands of calls. Buckets bound the memory for them, and are small
enough rows for the database, so that a restart does not forget the usage.
"""

import math
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from runtime.rate_limits.limits import Limit

BUCKETS = 240
"""A bucket counts until all of it is out of the window, so 1/241 of the limit goes unused."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Buckets begin at multiples of their width since this time, so that a process that is started
again finds the same buckets in what the former process stored."""

ROUNDING = timedelta(milliseconds=1)
"""The share of others is computed with floats. This time is added so that a rounding error cannot
let a call wake up just before its room is free."""


class CountedWindow:
    """At most ``limit.count`` releases in any half-open window of ``limit.per``."""

    __slots__ = ("_buckets", "_changed", "_others", "_others_since", "_total", "_width", "limit")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._width = limit.per / BUCKETS
        self._buckets: deque[list[int]] = deque()
        self._total = 0
        self._changed: set[int] = set()
        self._others = 0
        self._others_since = EPOCH

    def free_at(self, now: datetime) -> datetime:
        """Return when the next release may happen; ``now`` if it may at once."""
        self._forget(now)
        total, earliest = self._total, self._others_allow(now, self._total)
        # Room comes from two sides: own buckets slide out in steps, and the share of others
        # shrinks evenly. The earliest time at which both together leave room is wanted.
        for index, count in self._buckets:
            out = self._out_at(index)
            if earliest is not None and earliest <= out:
                break
            total -= count
            allowed = self._others_allow(out, total)
            if allowed is not None:
                earliest = allowed if earliest is None else min(earliest, allowed)
        assert earliest is not None
        return earliest

    def release(self, now: datetime) -> None:
        """Count a release."""
        index = self._index(now)
        # The clock of a caller may lag behind the newest bucket; that bucket slides out later, so
        # counting there never lets a call through too early.
        if not self._buckets or self._buckets[-1][0] < index:
            self._buckets.append([index, 0])
        self._buckets[-1][1] += 1
        self._changed.add(self._buckets[-1][0])
        self._total += 1

    def was_released(self, when: datetime, count: int) -> None:
        """Count releases that happened before this limit was known."""
        self.restore(when, count)
        # Unlike restored usage, these releases are not in the database yet.
        self._changed.add(self._index(when))

    def left(self, released_at: datetime, now: datetime) -> None:
        """Move a release that was counted at an earlier time to the time when it really leaves."""
        index = self._index(released_at)
        if index == self._index(now):
            return
        for bucket in self._buckets:
            if bucket[0] == index and bucket[1]:
                bucket[1] -= 1
                self._changed.add(index)
                self._total -= 1
                self.release(now)
                return

    def change(self, limit: Limit) -> None:
        """Keep to another count in the same window; former releases still count."""
        self.limit = limit

    def remaining(self, remaining: int, unsure: int, now: datetime) -> None:
        """Take over a count of the marketplace: calls that did not go from here, others made.

        Nobody knows when others made them, so their share is assumed to leave the window evenly.

        Args:
            unsure: the number of releases that the marketplace's count may not include yet.
        """
        self._forget(now)
        # Unsure releases are not taken off the others' share: an answer that was overtaken by
        # later calls would hide calls that others really made.
        known_there = max(0, self._total - unsure)
        self._others = max(0, self.limit.count - max(0, remaining) - known_there)
        self._others_since = now

    def restore(self, bucket_start: datetime, count: int) -> None:
        """Count releases of a former process."""
        index = self._index(bucket_start)
        for bucket in self._buckets:
            if bucket[0] == index:
                bucket[1] += count
                break
        else:
            # Usage is restored late where an answer has to announce the window first. Newer
            # buckets may exist by then, and everything here relies on the order.
            self._buckets.append([index, count])
            self._buckets = deque(sorted(self._buckets))
        self._total += count

    def changed(self) -> Iterator[tuple[datetime, int]]:
        """Yield the start and count of the buckets that grew since the last call."""
        changed, self._changed = self._changed, set()
        # The newest buckets are those that grew, so the walk ends after a few of the 240.
        for index, count in reversed(self._buckets):
            if not changed:
                return
            if index in changed:
                changed.remove(index)
                yield EPOCH + index * self._width, count

    def idle_at(self) -> datetime | None:
        """Return when this can be forgotten; None if nothing was counted."""
        idle = [self._out_at(self._buckets[-1][0])] if self._buckets else []
        if self._others:
            idle.append(self._others_since + self.limit.per)
        return max(idle, default=None)

    def _others_at(self, when: datetime) -> int:
        share = 1 - (when - self._others_since) / self.limit.per
        # Rounded up, because a part of a call that others made takes the room of a whole one.
        return math.ceil(self._others * min(max(share, 0.0), 1.0))

    def _others_allow(self, when: datetime, total: int) -> datetime | None:
        """Return when the share of others leaves room beside ``total``, ``when`` at the earliest.

        None if ``total`` alone fills the limit.
        """
        room = self.limit.count - total - 1
        if room < 0:
            return None
        if self._others_at(when) <= room:
            return when
        wait = self.limit.per * (1 - room / self._others)
        return max(when, self._others_since + wait + ROUNDING)

    def _forget(self, now: datetime) -> None:
        while self._buckets and self._out_at(self._buckets[0][0]) <= now:
            index, count = self._buckets.popleft()
            self._total -= count
            # A bucket that is out of the window counts nowhere any more, so that it need not be
            # stored.
            self._changed.discard(index)

    def _index(self, when: datetime) -> int:
        return (when - EPOCH) // self._width

    def _out_at(self, index: int) -> datetime:
        # The releases of a bucket may all have come at its end, so that the window begins there.
        return EPOCH + (index + 1) * self._width + self.limit.per
