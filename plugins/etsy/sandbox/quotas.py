"""The application's limits of calls in a second and in a day, and the headers that tell of them."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta

from plugins.etsy.sandbox.errors import plain
from runtime.sandbox import Answer, Quota, Refused


class ApplicationQuotas:
    """The application's quotas.

    Attributes:
        per_second, per_day: their ``limit`` may be changed at any time.
        tells_when: a 429 carries ``retry-after``.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.per_second = Quota(1_000, timedelta(seconds=1), now, rolling=True)
        self.per_day = Quota(100_000, timedelta(days=1), now, rolling=True)
        self.tells_when = True
        self._now = now

    def take(self) -> None:
        """Count a call.

        Raises:
            Refused: 429.
        """
        # Both are looked at before either counts: a refused call uses up nothing.
        for quota in (self.per_day, self.per_second):
            if not quota.remaining:
                raise Refused(self._exceeded(quota))
        self.per_day.take()
        self.per_second.take()

    def headers(self) -> dict[str, str]:
        """Return the headers of every answer."""
        return {
            "x-limit-per-second": f"{self.per_second.limit}",
            "x-remaining-this-second": f"{self.per_second.remaining}",
            "x-limit-per-day": f"{self.per_day.limit}",
            "x-remaining-today": f"{self.per_day.remaining}",
        }

    def _exceeded(self, quota: Quota) -> Answer:
        answer = plain(429, "Exceeded rate limit")
        # Etsy's 429 may carry retry-after or nothing, and a client has to bear with both.
        if not self.tells_when:
            return answer
        seconds = max(math.ceil((quota.reset - self._now()).total_seconds()), 1)
        return Answer(429, answer.body, {"retry-after": f"{seconds}"})
