"""Explains one job: this module gathers the facts, ``runtime.waiting`` draws the conclusions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from runtime.errors import JobNotFound
from runtime.handlers.registry import Registry
from runtime.marketplaces.record import Marketplace
from runtime.rate_limits import BudgetTree
from runtime.rate_limits.closures import Closures, path
from runtime.runs.job import handler_key
from runtime.runs.job_states import JobStatus
from runtime.storage.models import MarketplaceJob, MarketplaceTask
from runtime.storage.nodes.liveness import circumstances, fewest_running
from runtime.storage.nodes.presence import last_seen
from runtime.storage.queue.budget_usage import load_usage
from runtime.storage.queue.closure_rows import closures_of
from runtime.storage.queue.job_rows import job_with_code
from runtime.storage.queue.journal_rows import steps_of
from runtime.storage.queue.lane_jobs import lane_shops, running_in_lane, same_product
from runtime.storage.queue.lane_order import jobs_before
from runtime.waiting.expectation import (
    Expectation,
    History,
    Spent,
    StepTimes,
    expected_start,
    time_spent,
)
from runtime.waiting.obstacles import Obstacle, UsedUp, WaitingFacts, obstacles

# A seller may have 100,000 jobs, and "more than 1,000" tells a person as much as the number.
MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class JobExplanation:
    """The reasons why a job does not run, and the periods of its time so far.

    Attributes:
        obstacles: the reasons why the job does not run, the gravest first.
        expected: the expected start; None if the job has started or is over.
        spent: the periods of the job's life so far, in order.
    """

    job: MarketplaceJob
    action: str
    obstacles: tuple[Obstacle, ...]
    expected: Expectation | None
    spent: tuple[Spent, ...]


def explain_job(
    session: Session, job_id: int, registry: Registry, aging: timedelta
) -> JobExplanation:
    """Explain the present state of a job.

    Args:
        registry: the handlers and marketplaces that the services have.
        aging: the time that a job waits until its urgency rises by one.

    Raises:
        JobNotFound
    """
    found = job_with_code(session, job_id)
    if found is None:
        raise JobNotFound(job_id)
    job, action = found
    around = circumstances(session, [job.user_id])
    spent = time_spent(_history(job, steps_of(session, job.id), around.now))
    # Only a job that waits has something in its way.
    if JobStatus(job.status) not in {JobStatus.PENDING, JobStatus.PAUSED}:
        return JobExplanation(job, action, (), None, spent)
    marketplaces: Mapping[str, Marketplace] = registry.marketplaces
    # The plugin may have been removed since the job was created.
    marketplace = marketplaces.get(job.marketplace, Marketplace(job.marketplace))
    scopes = path(job.marketplace, job.shop_id, action)
    shops = lane_shops(session, job, marketplace.lanes)
    before = jobs_before(session, job.id, shops, aging, MOST_COUNTED) or 0
    facts = WaitingFacts(
        status=JobStatus(job.status),
        user_id=job.user_id,
        run_at=job.run_at,
        stored_reason=job.waiting_reason,
        now=around.now,
        service_alive=around.service_alive,
        seller_connected=job.user_id in around.connected,
        lanes=marketplace.lanes,
        retry_count=job.retry_count,
        has_handler=handler_key(action, job.marketplace) in registry.handlers,
        down=around.down.get(job.marketplace),
        seller_away_since=last_seen(session, job.user_id),
        closures=tuple(Closures(closures_of(session, [job.marketplace])).of(scopes, around.now)),
        used_up=_used_up(session, marketplace, job.shop_id, action, around.now),
        same_product=same_product(session, job),
        lane=running_in_lane(session, job, shops),
        jobs_before=min(before, MOST_COUNTED),
        jobs_before_capped=before > MOST_COUNTED,
        marketplace_taken=fewest_running(session, job.marketplace),
        marketplace_places=marketplace.concurrency,
    )
    in_the_way = obstacles(facts)
    return JobExplanation(job, action, in_the_way, expected_start(facts, in_the_way), spent)


def _used_up(
    session: Session, marketplace: Marketplace, shop_id: int, action: str, now: datetime
) -> UsedUp | None:
    """Return the limit that is used up by the stored counts, which outlive the service."""
    # The tree of the running service is out of reach, but its counts are stored.
    budgets = BudgetTree(marketplace.budgets)
    budgets.restore(load_usage(session, marketplace.name))
    blocked = budgets.blocked(path(marketplace.name, shop_id, action), now)
    # Calls of a running job wait for their pace; only a quota that is used up keeps a job from
    # starting.
    if blocked is None or blocked.is_pace or blocked.until is None:
        return None
    return UsedUp(blocked.scope, blocked.reason, blocked.until)


def _history(job: MarketplaceJob, steps: list[MarketplaceTask], now: datetime) -> History:
    # A snooze or a retry moves run_at on, so a job that has started waited since its creation.
    due_at = job.created_at if job.started_at is not None else min(job.run_at, now)
    return History(
        now=now,
        due_at=due_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        steps=[
            StepTimes(step.name, step.status, step.sent_at or step.created_at, step.completed_at)
            for step in steps
        ],
    )
