"""The marketplaces: they count calls, refuse those beyond a limit, and break down at times."""

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from typing import Any

from runtime.errors import CallRejected
from runtime.rate_limits import Limit
from runtime.runs.answer import Answer
from runtime.runs.calls import Failure, HttpCall, Outcome, Success
from tests.simulation.job_table import SimulatedJob


class Words(StrEnum):
    """The time that a marketplace names with a 429 of its own."""

    SECONDS = "Retry-After in seconds"
    DATE = "Retry-After as a date"
    NOTHING = "nothing"
    QUOTA = "nothing, but the inquiry knows"


@dataclass(frozen=True, slots=True)
class ThrottledPeriod:
    """A time in which every call is answered with 429."""

    begin: datetime
    end: datetime
    words: Words


@dataclass(slots=True)
class Counter:
    """Arrivals in the half-open window that ends now, and how often there were too many."""

    limit: Limit
    arrivals: deque[datetime] = field(default_factory=deque)
    violations: int = 0

    def arrive(self, now: datetime) -> bool:
        """Count an arrival; False where it is one too many."""
        while self.arrivals and self.arrivals[0] <= now - self.limit.per:
            self.arrivals.popleft()
        self.arrivals.append(now)
        if len(self.arrivals) <= self.limit.count:
            return True
        self.violations += 1
        return False

    @property
    def left(self) -> int:
        """The part of the limit that was free at the last arrival."""
        return self.limit.count - len(self.arrivals)


class MarketplaceServer:
    """The API of one marketplace, which counts by application key.

    Args:
        limits: of the application key.
        gap: least time between two calls of one action of one shop.
    """

    def __init__(
        self,
        name: str,
        limits: tuple[Limit, ...],
        gap: timedelta,
        throttled_periods: list[ThrottledPeriod],
        draw: random.Random,
    ) -> None:
        self.name = name
        self.counters = [Counter(limit) for limit in limits]
        self.throttled_periods = throttled_periods
        self.refused = 0
        self.too_early = 0
        """Calls that arrived although a 429 had said until when not to call."""
        self.too_close = 0
        self.calls = 0
        self.writes: dict[tuple[int, str], int] = {}
        self._gap = gap
        self._draw = draw
        self._last: dict[tuple[int, str], datetime] = {}
        self._told: list[tuple[datetime, datetime]] = []

    def arrive(
        self, row: SimulatedJob, call: HttpCall, now: datetime, answered_at: datetime
    ) -> Outcome:
        """Take a call; gives what is answered."""
        self.calls += 1
        stream = row.shop_id, row.action
        if now - self._last.get(stream, now - self._gap) < self._gap:
            self.too_close += 1
        self._last[stream] = now
        if any(known <= now < until for known, until in self._told):
            self.too_early += 1
        exceeded = [one for one in self.counters if not one.arrive(now)]
        throttled = next(
            (one for one in self.throttled_periods if one.begin <= now < one.end), None
        )
        if exceeded:
            return self._refuse(None, call, now, answered_at)
        if throttled is not None:
            self.refused += 1
            return self._refuse(throttled, call, now, answered_at)
        if not call.writes and self._draw.random() < 0.005:
            error = CallRejected(f"{call.path} answered 503", status=503)
            return Failure(error, Answer(503, self._headers()))
        if call.writes:
            key = row.id, call.path
            self.writes[key] = self.writes.get(key, 0) + 1
        return Success(self._body(row, call, now), Answer(200, self._headers(), good=True))

    def inquire(self, now: datetime) -> Outcome:
        """Answer the question for the limits, as eBay does."""
        throttled = next(
            (one for one in self.throttled_periods if one.begin <= now < one.end), None
        )
        used_up = throttled is not None and throttled.words is Words.QUOTA
        reset = throttled.end if throttled is not None else now + timedelta(hours=1)
        if used_up:
            self._told.append((now + timedelta(seconds=1), reset))
        quota = self.counters[-1]
        rate = {
            "limit": quota.limit.count,
            "remaining": 0 if used_up else max(1, quota.left),
            "reset": reset.isoformat(),
            "timeWindow": 86400,
        }
        resources = [{"name": "sell.inventory", "rates": [rate]}]
        limits = [{"apiContext": "sell", "apiName": "inventory", "resources": resources}]
        return Success({"rateLimits": limits}, Answer(200, good=True))

    def _refuse(
        self,
        throttled: ThrottledPeriod | None,
        call: HttpCall,
        now: datetime,
        answered_at: datetime,
    ) -> Outcome:
        headers = dict(self._headers())
        if throttled is not None and throttled.words is Words.SECONDS:
            seconds = max(1, int((throttled.end - answered_at).total_seconds()))
            headers["retry-after"] = str(seconds)
            self._told.append((answered_at, answered_at + timedelta(seconds=seconds)))
        elif throttled is not None and throttled.words is Words.DATE:
            date = throttled.end.replace(microsecond=0)
            headers["retry-after"] = format_datetime(date, usegmt=True)
            self._told.append((answered_at, date))
        error = CallRejected(f"{call.path} answered 429", status=429, writes=call.writes)
        return Failure(error, Answer(429, headers))

    def _headers(self) -> Mapping[str, str]:
        if self.name != "etsy":
            return {}
        second, day = self.counters
        return {
            "x-limit-per-second": str(second.limit.count),
            "x-remaining-this-second": str(max(0, second.left)),
            "x-limit-per-day": str(day.limit.count),
            "x-remaining-today": str(max(0, day.left)),
        }

    def _body(self, row: SimulatedJob, call: HttpCall, now: datetime) -> Any:
        if "/report/" not in call.path:
            return {"ok": True}
        ready_at = row.created_at + row.ready_in
        return {"ready_at": ready_at.isoformat() if now < ready_at else None}
