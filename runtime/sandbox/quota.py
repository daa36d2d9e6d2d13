"""A limit on calls: so many in a window of time."""

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta


class Quota:
    """Counts calls against a limit.

    Args:
        limit: may be changed at any time.
        window: how long a call counts.
        rolling: each call counts for the window from its own time on; else all calls of a
            window are forgotten together at its end, as counted from the first.
        now: the time.
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
        """How many calls count now."""
        self._forget()
        return len(self._calls)

    @property
    def remaining(self) -> int:
        """How many more there may be now."""
        return max(self.limit - self.count, 0)

    @property
    def reset(self) -> datetime:
        """When the earliest call stops counting; a window from now where there is none."""
        self._forget()
        return (self._calls[0] if self._calls else self._now()) + self.window

    def take(self) -> bool:
        """Count a call; False, and not counted, where there is no room."""
        if not self.remaining:
            return False
        self._calls.append(self._now())
        return True

    def _forget(self) -> None:
        horizon = self._now() - self.window
        if self._rolling:
            while self._calls and self._calls[0] <= horizon:
                self._calls.popleft()
        elif self._calls and self._calls[0] <= horizon:
            self._calls.clear()
