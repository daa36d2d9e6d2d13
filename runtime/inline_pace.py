"""Budgets for calls that leave one after the other, from a process that runs one job by itself."""

import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from runtime.budgets import BudgetTree
from runtime.call_queue import CallQueue, Wish
from runtime.calls import HttpCall, Outcome
from runtime.closures import Node
from runtime.errors import BudgetClosed
from runtime.hookspecs import Marketplace
from runtime.job import Job
from runtime.limit_keeper import INQUIRY_TIME, Changes, LimitKeeper, Sent
from runtime.storage import budget_usage, closures
from runtime.storage.engine import Database, database_errors

LONGEST_PAUSE = timedelta(seconds=1)
LANE = 0

log = structlog.get_logger(__name__)

Ask = Callable[[int, HttpCall, timedelta], Outcome]
"""Carries out a call of the pace's own, for a shop."""


class InlinePace:
    """What the calls to one marketplace have to keep to.

    Kept from job to job, because the time between two calls does not begin anew with a job.
    """

    def __init__(self, marketplace: Marketplace, database: Database) -> None:
        self._marketplace = marketplace
        self._database = database
        self._tree = BudgetTree(marketplace.budgets)
        self._queue: CallQueue[int] = CallQueue(marketplace.name, self._tree, 1, random.random)
        self._limits = LimitKeeper(marketplace, self._tree, self._queue, self._complain)
        self._number = 0
        self._restored = False

    def refresh(self) -> None:
        """Learn what is closed, and once, what others have used.

        Raises:
            DatabaseUnavailable
        """
        with database_errors(), self._database.session() as session:
            self._limits.loaded(closures.closures_of(session, [self._marketplace.name]))
            if not self._restored:
                self._tree.restore(budget_usage.load_usage(session, self._marketplace.name))
                self._restored = True

    def wait_for_turn(self, job: Job, now: Callable[[], datetime]) -> None:
        """Sleep until the next call of the job may leave.

        Raises:
            BudgetClosed: that would take too long.
        """
        self._number += 1
        wish = Wish(self._number, job.shop.id, job.action, LANE, job.priority, job.rate_limit)
        self._queue.put(wish, now())
        while True:
            turn = self._queue.take(now())
            for _, blocked in turn.refused:
                raise BudgetClosed(
                    blocked.node, blocked.reason, blocked.until, is_closure=blocked.is_closure
                )
            if turn.released:
                self._keep_usage()
                return
            due = self._queue.next_due()
            pause = LONGEST_PAUSE if due is None else min(due - now(), LONGEST_PAUSE)
            time.sleep(max(pause.total_seconds(), 0))

    def sent(self, job: Job, call: HttpCall, now: datetime) -> Sent:
        """A call that had its turn leaves."""
        return self._limits.leaves(job.shop.id, job.action, LANE, call, now)

    def answered(self, sent: Sent, outcome: Outcome, at: datetime, ask: Ask) -> None:
        """It was answered."""
        self._queue.place_freed(LANE)
        changes = self._limits.answered(sent, outcome, at)
        self._keep(changes)
        if changes.inquire is not None:
            self._inquire(*changes.inquire, at, ask)

    def given_up(self) -> None:
        """A call that had its turn did not leave."""
        self._queue.place_freed(LANE)

    def _inquire(self, node: Node, shop_id: int, at: datetime, ask: Ask) -> None:
        inquiry = self._marketplace.limit_inquiry
        assert inquiry is not None
        outcome = ask(shop_id, inquiry.call, INQUIRY_TIME)
        self._keep(self._limits.inquired(node, outcome, at))

    def _keep(self, changes: Changes) -> None:
        if not (changes.closed or changes.opened):
            return
        with self._database.transaction("close") as session:
            if changes.closed:
                latest = {one.key: one for one in changes.closed}
                closures.close_nodes(session, list(latest.values()))
            if changes.opened:
                closures.open_nodes(session, changes.opened)

    def _keep_usage(self) -> None:
        used = self._tree.changed()
        if used:
            with self._database.transaction("usage") as session:
                budget_usage.record_usage(session, used)

    def _complain(self, error: Exception) -> None:
        log.error(
            "the marketplace's reader of answers failed",
            marketplace=self._marketplace.name, error=repr(error),
        )  # fmt: skip
