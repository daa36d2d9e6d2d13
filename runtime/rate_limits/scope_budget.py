"""The budget of one scope of the tree: its limits, its least gap, and its learned rate."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from runtime.rate_limits.counted_window import CountedWindow
from runtime.rate_limits.learned_rate import LOOK_BACK, LearnedRate, ObservedRate
from runtime.rate_limits.limits import Limit
from runtime.rate_limits.paced_window import PacedWindow
from runtime.rate_limits.recent_releases import RecentReleases


class ScopeBudget:
    """The budget of one scope."""

    __slots__ = (
        "_counted",
        "_guessed",
        "_kept_until",
        "_observed",
        "_open_at",
        "_paced",
        "_rate",
        "_recent",
    )  # fmt: skip

    def __init__(self, limits: Iterable[Limit] = ()) -> None:
        self._paced: dict[timedelta, PacedWindow] = {}
        self._counted: dict[timedelta, CountedWindow] = {}
        self._guessed: PacedWindow | None = None
        self._open_at: datetime | None = None
        self._kept_until: datetime | None = None
        self._rate = LearnedRate()
        self._observed = ObservedRate()
        self._recent = RecentReleases()
        for limit in limits:
            self.keep_to(limit)

    def keep_to(self, limit: Limit) -> None:
        """Keep to this limit from now on; it replaces the limit of the same window.

        Releases from before the limit was known count.
        """
        kept = self._window(limit)
        if kept is not None:
            kept.change(limit)
            return
        window: PacedWindow | CountedWindow
        if limit.is_paced:
            window = self._paced[limit.per] = PacedWindow(limit)
        else:
            window = self._counted[limit.per] = CountedWindow(limit)
        for when, count in self._recent:
            window.was_released(when, count)

    def remember(self, until: datetime) -> None:
        """Keep this budget until then, even if nothing is released."""
        self._kept_until = until

    def paced_at(self, now: datetime) -> datetime:
        """Return when the pace allows the next release, ``now`` at the earliest."""
        rate = self._rate.at(now)
        free = now if self._open_at is None else max(now, self._open_at)
        for window in self._paced.values():
            free = max(free, window.free_at(now, rate))
        if self._guessed is not None and rate < 1.0:
            free = max(free, self._guessed.free_at(now, rate))
        return free

    def used_up(self, now: datetime) -> tuple[datetime, Limit] | None:
        """Return the counted limit that is used up for longest, and until when."""
        full = ((window.free_at(now), window.limit) for window in self._counted.values())
        return max(((until, limit) for until, limit in full if until > now),
                   key=lambda one: one[0], default=None)  # fmt: skip

    def release(
        self, now: datetime, gap: timedelta = timedelta(0), jitter: timedelta = timedelta(0)
    ) -> None:
        """Count a release; the next comes at least ``gap`` later, and ``jitter`` after that."""
        rate = self._rate.at(now)
        for window in self._paced.values():
            window.release(now, rate)
        for counted in self._counted.values():
            counted.release(now)
        self._observed.release(now)
        self._recent.release(now)
        if self._guessed is not None:
            self._guessed.release(now, rate)
        if gap:
            self._open_at = now + gap / rate
        # The jitter is added to the time that the pace and the gap allow, so that it can only
        # lengthen the least time between two calls.
        if jitter:
            self._open_at = self.paced_at(now) + jitter

    def left(self, released_at: datetime, now: datetime) -> None:
        """Move a release to the time when it really leaves; the next one comes so much later."""
        for paced in self._paced.values():
            paced.left(released_at, now)
        for counted in self._counted.values():
            counted.left(released_at, now)
        if self._guessed is not None:
            self._guessed.left(released_at, now)
        # A write is counted when it leaves, behind the commit of its intent: by the marketplace's
        # clock the next call would come too early by that time.
        if self._open_at is not None and self._open_at > released_at:
            self._open_at += now - released_at

    def remaining(self, limit: Limit, remaining: int, unsure: int, now: datetime) -> None:
        """Take over how many calls of a counted limit remain, as the marketplace says."""
        window = self._counted.get(limit.per)
        if window is not None:
            window.remaining(remaining, unsure, now)

    def throttle(self, now: datetime, left_at: datetime) -> bool:
        """Halve the rate, because a call that left then was refused without a reason.

        A scope without a paced limit gets one that is guessed from its recent releases, because
        half of an unlimited rate would be no limit.
        """
        if not self._rate.halve(now, left_at):
            return False
        # The guess counts only while the rate is not whole.
        if not self._paced:
            self._guessed = PacedWindow(Limit(self._observed.count, LOOK_BACK))
        return True

    def rate(self, now: datetime) -> float:
        """Return the share of its limits that the scope may use."""
        return self._rate.at(now)

    def restore(self, window: timedelta, bucket_start: datetime, count: int) -> bool:
        """Count releases of a former process; returns False if there is no such window."""
        counted = self._counted.get(window)
        if counted is None:
            return False
        counted.restore(bucket_start, count)
        return True

    def changed(self) -> Iterator[tuple[timedelta, datetime, int]]:
        """Yield the window, start and count of the buckets that grew since the last call."""
        for per, window in self._counted.items():
            for start, count in window.changed():
                yield per, start, count

    def idle_at(self) -> datetime | None:
        """Return when this can be forgotten; None if nothing was released."""
        known = [self._open_at, self._kept_until, self._rate.full_at(), self._observed.idle_at()]
        known.append(self._recent.idle_at())
        known += [window.idle_at() for window in self._paced.values()]
        known += [window.idle_at() for window in self._counted.values()]
        return max((one for one in known if one is not None), default=None)

    def _window(self, limit: Limit) -> PacedWindow | CountedWindow | None:
        return self._paced.get(limit.per) or self._counted.get(limit.per)
