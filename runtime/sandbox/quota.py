"""A limit on calls: so many in a window of time."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta


class Quota:
    """Counts calls against a limit.

    Args:
        limit: the number of calls; it may be changed at any time.
        window: the time for which a call counts.
        rolling: whether each call counts for the window from its own time on. Otherwise all calls
            of a window are forgotten together at its end, as counted from the first.
        now: returns the time.
    """

    def __init__(
        self, limit: int, window: timedelta, now: Callable[[], datetime], *, rolling: bool
    ) -> None:
        self.limit = limit
        self.window = window
        self._now = now
        self._rolling = rolling
        self._calls: deque[datetime] = deque()

    @property
    def count(self) -> int:
        """The number of calls that count now."""
        self._forget()
        return len(self._calls)

    @property
    def remaining(self) -> int:
        """The number of calls for which there is room now."""
        # A limit that was lowered may be below what counts already.
        return max(self.limit - self.count, 0)

    @property
    def reset(self) -> datetime:
        """The time when the earliest call stops counting, or a window from now if none counts."""
        self._forget()
        return (self._calls[0] if self._calls else self._now()) + self.window

    def take(self) -> bool:
        """Count a call; returns False, and counts nothing, if there is no room."""
        if not self.remaining:
            return False
        self._calls.append(self._now())
        return True

    def _forget(self) -> None:
        # Marketplaces count in both ways, and a client that is right with one can be wrong with the
        # other: at the end of a window, twice the limit can pass within moments.
        horizon = self._now() - self.window
        if self._rolling:
            while self._calls and self._calls[0] <= horizon:
                self._calls.popleft()
        elif self._calls and self._calls[0] <= horizon:
            self._calls.clear()
