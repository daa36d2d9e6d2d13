"""The sellers' browsers, and the marketplace behind them, which counts by shop."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from runtime.errors import CallRejected, SellerNotConnected
from runtime.messages import BrowserCommand, CallTicket
from runtime.process.clock import Timer
from runtime.rate_limits import Limit
from runtime.runs.calls import Failure, Outcome, Success
from tests.simulation.job_table import SimulatedJob
from tests.simulation.servers import Counter

GRACE = timedelta(seconds=10)

Answer = Callable[[datetime, CallTicket, Outcome], Timer]
"""Delivers an outcome for a ticket at a time."""


@dataclass(frozen=True, slots=True)
class _Reading:
    ticket: CallTicket
    answered_at: datetime
    timer: Timer


class Browsers:
    """The connected sellers, and their answers.

    A seller does not leave while the browser writes, so that no write's outcome is unknown.
    """

    def __init__(self, limit: Limit, draw: random.Random, answer: Answer) -> None:
        self.connected: set[int] = set()
        self.away_since: dict[int, datetime] = {}
        self.counters: dict[int, Counter] = {}
        self.refused = 0
        self.blocked = 0
        self.calls = 0
        self.writes: dict[tuple[int, str], int] = {}
        self._limit = limit
        self._draw = draw
        self._answer = answer
        self._writing: dict[int, datetime] = {}
        self._reading: dict[int, _Reading] = {}

    def busy_until(self, user_id: int, now: datetime) -> datetime | None:
        """Until when a browser writes."""
        until = self._writing.get(user_id)
        return until if until is not None and until > now else None

    def leave(self, user_id: int, now: datetime) -> None:
        """The last tab is closed; what it was reading gets no answer."""
        self.connected.discard(user_id)
        self.away_since[user_id] = now
        reading = self._reading.pop(user_id, None)
        if reading is not None and reading.answered_at > now:
            reading.timer.cancel()
            self._answer(now + GRACE, reading.ticket, Failure(SellerNotConnected(user_id)))

    def request(self, row: SimulatedJob, request: BrowserCommand, now: datetime) -> None:
        """A command arrives."""
        user = request.user_id
        if user not in self.connected:
            self._answer(now, request.ticket, Failure(SellerNotConnected(user)))
            return
        self.calls += 1
        counter = self.counters.setdefault(row.shop_id, Counter(self._limit))
        counter.arrive(now)
        done = now + timedelta(seconds=self._draw.uniform(0.1, 0.9))
        outcome = self._outcome(row, request, now)
        timer = self._answer(done, request.ticket, outcome)
        if request.writes:
            self._writing[user] = done
        else:
            self._reading[user] = _Reading(request.ticket, done, timer)

    def _outcome(self, row: SimulatedJob, request: BrowserCommand, now: datetime) -> Outcome:
        drawn = self._draw.random()
        if drawn < 0.002:
            self.refused += 1
            text = f"{request.action} answered 429"
            return Failure(CallRejected(text, status=429, writes=request.writes))
        if drawn < 0.0025:
            self.blocked += 1
            text = f"{request.action}: captcha"
            return Failure(
                CallRejected(text, status=403, error_code="captcha", writes=request.writes)
            )
        if request.writes:
            key = row.id, request.action
            self.writes[key] = self.writes.get(key, 0) + 1
        ready_at = row.created_at + row.ready_in
        return Success({"ready_at": ready_at.isoformat() if now < ready_at else None})
