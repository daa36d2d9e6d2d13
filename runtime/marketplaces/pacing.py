"""Makes the budgets, the queue and the limits of a marketplace from its record.

Both runners use it, so that a new argument of the limits cannot be forgotten in one of them.
"""

import random
from collections.abc import Hashable
from datetime import datetime
from typing import Generic, TypeVar

import structlog

from runtime.answers.limit_keeper import LimitKeeper, SentCall
from runtime.marketplaces.record import Marketplace
from runtime.rate_limits import BudgetTree
from runtime.rate_limits.call_queue import CallQueue
from runtime.rate_limits.streams import Wish
from runtime.runs.calls import Call
from runtime.runs.job import Job

Item = TypeVar("Item", bound=Hashable)

log = structlog.get_logger(__name__)


class Pacing(Generic[Item]):
    """Holds the budgets of a marketplace, its waiting calls, and the keeper of its limits.

    Args:
        places: the number of calls of one lane that may be in flight at once.
    """

    def __init__(self, marketplace: Marketplace, places: int) -> None:
        self._name = marketplace.name
        self.budgets = BudgetTree(marketplace.budgets)
        self.queue: CallQueue[Item] = CallQueue(
            marketplace.name, self.budgets, places, random.random
        )
        self.limits = LimitKeeper(
            marketplace.name, marketplace.read_answer, marketplace.read_commonly,
            marketplace.limit_inquiry, self.budgets, self.queue, self._complain,
        )  # fmt: skip

    def put(self, item: Item, job: Job, lane: int, now: datetime) -> None:
        """Let a call of a job wait for its turn."""
        wish = Wish(item, job.shop.id, job.action, lane, job.priority, job.rate_limit)
        self.queue.put(wish, now)

    def leaves(self, job: Job, lane: int, call: Call, now: datetime) -> SentCall:
        """Return the record of a call that leaves."""
        return self.limits.leaves(job.shop.id, job.action, lane, call, now)

    def _complain(self, error: Exception) -> None:
        # The plugin's reader of answers is foreign code. Its failure is told, and the answer is
        # read as most marketplaces mean it.
        log.error(
            "the marketplace's reader of answers failed", marketplace=self._name, error=repr(error)
        )
