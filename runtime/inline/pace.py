"""Keeps the rate limits in a process that runs one job by itself and sends one call at a time."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from runtime.answers.limit_keeper import INQUIRY_TIME, Changes, SentCall
from runtime.marketplaces.pacing import Pacing
from runtime.marketplaces.record import Marketplace
from runtime.rate_limits.closures import Scope
from runtime.runs.calls import HttpCall, Outcome
from runtime.runs.job import Job
from runtime.storage.queue import budget_usage, closure_rows
from runtime.storage.server.engine import Database, database_errors

LONGEST_PAUSE = timedelta(seconds=1)
# There is one lane, since there is one call at a time.
LANE = 0

Ask = Callable[[int, HttpCall, timedelta], Outcome]
"""Carries out a call of the pace itself, for a shop."""


class InlinePace:
    """The rate limits of the calls to one marketplace.

    One pace serves job after job, because the time between two calls does not begin anew with a
    job.
    """

    def __init__(self, marketplace: Marketplace, database: Database) -> None:
        self._marketplace = marketplace
        self._database = database
        self._pacing: Pacing[int] = Pacing(marketplace, places=1)
        self._budgets = self._pacing.budgets
        self._queue, self._limits = self._pacing.queue, self._pacing.limits
        self._number = 0
        self._restored = False

    def refresh(self) -> None:
        """Read the closures, and the first time also the usage that other processes recorded.

        Raises:
            DatabaseUnavailable
        """
        with database_errors(), self._database.session() as session:
            self._limits.loaded(closure_rows.closures_of(session, [self._marketplace.name]))
            if not self._restored:
                self._budgets.restore(budget_usage.load_usage(session, self._marketplace.name))
                self._restored = True

    def wait_for_turn(self, job: Job, now: Callable[[], datetime]) -> None:
        """Sleep until the next call of the job may leave.

        Raises:
            BudgetClosed: the wait would take too long.
        """
        self._number += 1
        self._pacing.put(self._number, job, LANE, now())
        while True:
            taken = self._queue.take(now())
            for _, blocked in taken.refused:
                raise blocked.closed(is_closure=blocked.is_closure)
            if taken.released:
                self._keep_usage()
                return
            due = self._queue.next_due()
            pause = LONGEST_PAUSE if due is None else min(due - now(), LONGEST_PAUSE)
            time.sleep(max(pause.total_seconds(), 0))

    def sent(self, job: Job, call: HttpCall, now: datetime) -> SentCall:
        """Note that a call which had its turn leaves now."""
        return self._pacing.leaves(job, LANE, call, now)

    def answered(self, sent: SentCall, outcome: Outcome, at: datetime, ask: Ask) -> None:
        """Learn from the answer to a call."""
        self._queue.place_freed(LANE)
        changes = self._limits.answered(sent, outcome, at)
        self._keep(changes)
        if changes.inquire is not None:
            self._inquire(*changes.inquire, at, ask)

    def given_up(self) -> None:
        """Note that a call which had its turn did not leave."""
        self._queue.place_freed(LANE)

    def _inquire(self, scope: Scope, shop_id: int, at: datetime, ask: Ask) -> None:
        inquiry = self._marketplace.limit_inquiry
        assert inquiry is not None
        outcome = ask(shop_id, inquiry.call, INQUIRY_TIME)
        self._keep(self._limits.inquired(scope, outcome, at))

    def _keep(self, changes: Changes) -> None:
        if not (changes.closed or changes.opened):
            return
        with self._database.transaction("close") as session:
            if changes.closed:
                # One statement must not write a row twice, so that each scope and kind comes once.
                latest = {one.key: one for one in changes.closed}
                closure_rows.close_scopes(session, list(latest.values()))
            if changes.opened:
                closure_rows.open_scopes(session, changes.opened)

    def _keep_usage(self) -> None:
        used = self._budgets.changed()
        if used:
            with self._database.transaction("usage") as session:
                budget_usage.record_usage(session, used)
