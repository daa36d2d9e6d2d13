"""MarketplaceJobService is the Python API of an application that creates jobs."""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from runtime.errors import InputError, JobFailed, JobNotFound
from runtime.handlers.registry import load_registry
from runtime.jobs import completion, creation
from runtime.jobs.request import JobRequest, called_with_fields
from runtime.rate_limits.closures import Closure
from runtime.runs.job_states import FINAL, JobStatus
from runtime.runs.journal import StepStatus
from runtime.runs.settlement import backoff, describe
from runtime.shops import choice, pausing
from runtime.storage.models import MarketplaceActionType, MarketplaceJob, MarketplaceTask, Shop
from runtime.storage.nodes import liveness
from runtime.storage.queue import (
    action_types,
    expiry,
    job_events,
    job_rows,
    journal_rows,
    statistics,
)
from runtime.storage.server.session_errors import application_errors
from runtime.values.arguments import is_storable
from runtime.values.json_values import checked_json


class MarketplaceJobService:
    """Creates jobs, and looks after them, in the caller's transaction.

    No method commits, so that a rollback leaves neither the job nor its announcement. Only
    :meth:`wait` works outside the transaction; it needs the job to be committed.

    Every method raises :class:`runtime.applications.DatabaseUnavailable` if the server is away.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @application_errors()
    def get_action_type(self, marketplace: str, action_code: str) -> MarketplaceActionType | None:
        """Return the action type of a pair, or None."""
        # PostgreSQL refuses some texts, such as one with a NUL, with an error that ends the
        # caller's transaction.
        if not (is_storable(marketplace) and is_storable(action_code)):
            return None
        return action_types.find_action_type(self._session, marketplace, action_code)

    @application_errors()
    def get_action_type_by_id(self, action_type_id: int) -> MarketplaceActionType | None:
        """Return the action type of an id, or None."""
        return action_types.action_type_by_id(self._session, action_type_id)

    @application_errors()
    def add_shop(
        self, marketplace: str, user_id: int, external_id: str, name: str | None = None
    ) -> Shop:
        """Add a seller's account, or return it if the same seller has it already.

        Raises:
            InputError: a value cannot be used, or the account is another seller's.
        """
        return choice.add_shop(self._session, marketplace, user_id, external_id, name)

    @application_errors()
    def pause_shop(
        self, shop_id: int, reason: str | None = None, *, until: datetime | None = None
    ) -> Closure:
        """Start no further jobs of a shop, and send no further calls of those that run.

        Answers to calls that have left are still recorded. The jobs go on from there as soon as
        the shop opens again.

        Args:
            reason: the words that a person reads.
            until: the time when the shop opens by itself, with a time zone; None keeps it closed
                until it is resumed.

        Raises:
            ShopNotFound, InputError
        """
        return pausing.pause_shop(self._session, shop_id, reason, until)

    @application_errors()
    def resume_shop(self, shop_id: int) -> list[Closure]:
        """Open a shop, whatever closed it: a pause, its marketplace, a rate limit.

        Returns:
            The closures that this ended; empty if the shop was open.
        """
        return pausing.resume_shop(self._session, shop_id)

    @application_errors()
    def pause_marketplace(
        self, marketplace: str, reason: str | None = None, *, until: datetime | None = None
    ) -> Closure:
        """Like :meth:`pause_shop`, for all shops of a marketplace."""
        return pausing.pause_marketplace(self._session, marketplace, reason, until)

    @application_errors()
    def resume_marketplace(self, marketplace: str) -> list[Closure]:
        """Open a marketplace and its app key; shops that are closed themselves stay so."""
        return pausing.resume_marketplace(self._session, marketplace)

    @application_errors()
    @called_with_fields(JobRequest)
    def create_job(self, request: JobRequest) -> MarketplaceJob:
        """Create a job; the insert is flushed, and running services hear of it with the commit.

        The arguments are the fields of :class:`runtime.applications.JobRequest`.

        An ``update`` withdraws older updates of the same product and shop that never started;
        a ``delete`` withdraws such publishes and updates. They end as cancelled, with
        ``superseded_by``.

        Raises:
            ActionTypeNotFound: the marketplace has no such action (this is also a ValueError).
            AlreadyPublished: the product is on sale in that shop, or is being published there.
            BatchNotFound, ShopRequired, ShopNotFound, IdempotencyConflict, InvalidJson, InputError
        """
        return creation.create(self._session, request)

    @application_errors()
    def get_job(self, job_id: int) -> MarketplaceJob | None:
        """Return the job in its present state, or None."""
        return job_rows.job_by_id(self._session, job_id)

    @application_errors()
    def get_next_pending_job(self, marketplace: str) -> MarketplaceJob | None:
        """Return the job of a marketplace that is due first, or None."""
        found = job_rows.next_pending(self._session, marketplace, 1)
        return found[0] if found else None

    @application_errors()
    def get_pending_jobs(
        self, limit: int = 10, marketplace: str | None = None
    ) -> Sequence[MarketplaceJob]:
        """Return the pending jobs that are due, the most urgent first."""
        return job_rows.next_pending(self._session, marketplace, limit)

    @application_errors()
    def get_interrupted_jobs(self, marketplace: str) -> Sequence[MarketplaceJob]:
        """Return the jobs whose status is running although no living service runs them."""
        return liveness.interrupted_jobs(self._session, marketplace)

    @application_errors()
    def start_job(self, job_id: int) -> MarketplaceJob:
        """Turn a pending job into a running one, for a caller that runs the job itself."""
        return job_events.start(self._session, job_id)

    @application_errors()
    def complete_job(self, job_id: int, result: Any = None) -> MarketplaceJob:
        """Turn a running job into a completed one.

        Raises:
            JobNotFound, IllegalTransition, InvalidJson
        """
        return job_events.complete(self._session, job_id, checked_json(result, "result"))

    @application_errors()
    def fail_job(self, job_id: int, error_message: str) -> MarketplaceJob:
        """Turn a running job into a failed one."""
        return job_events.fail(self._session, job_id, describe(JobFailed(error_message)))

    @application_errors()
    def pause_job(self, job_id: int) -> MarketplaceJob:
        """Pause a pending job at once; a running job comes back with ``pause_requested``.

        The service that runs the job interrupts it at its next call, with all its steps
        recorded. The job may end before that.
        """
        return job_events.pause(self._session, job_id)

    @application_errors()
    def resume_job(self, job_id: int) -> MarketplaceJob:
        """Make a paused job pending, with its remaining attempts; withdraw a request to pause."""
        return job_events.resume(self._session, job_id)

    @application_errors()
    def answer_step(self, job_id: int, step: str, *, happened: Any = None) -> MarketplaceJob:
        """Tell the service whether a step of a paused job took effect.

        The job is resumed as soon as all its open steps are answered.

        Args:
            happened: the step's result, a JSON value; None says that the step took no effect,
                so it is done again.

        Raises:
            JobNotFound, IllegalTransition, InvalidJson, InputError
        """
        # None cannot be the result of a step that took effect, so it says that the step did not.
        still_open = job_events.answer(
            self._session, job_id, step, happened, happened=happened is not None
        )
        if not still_open:
            return job_events.resume(self._session, job_id)
        job = job_rows.job_by_id(self._session, job_id)
        if job is None:
            raise JobNotFound(job_id)
        return job

    @application_errors()
    def get_job_tasks(self, job_id: int) -> Sequence[MarketplaceTask]:
        """Return the job's steps as the journal has them, in the order in which they were begun."""
        return journal_rows.steps_of(self._session, job_id)

    @application_errors()
    def get_job_progress(self, job_id: int) -> dict[str, Any]:
        """Count the job's steps: total, completed, failed, pending, progress_percent (0 to 100)."""
        counts = Counter(step.status for step in journal_rows.steps_of(self._session, job_id))
        total, completed = counts.total(), counts[StepStatus.SUCCEEDED]
        return {
            "total": total,
            "completed": completed,
            "failed": counts[StepStatus.FAILED],
            "pending": counts[StepStatus.STARTED] + counts[StepStatus.UNKNOWN],
            "progress_percent": round(100 * completed / total, 1) if total else 0.0,
        }

    @application_errors()
    def cancel_job(self, job_id: int) -> MarketplaceJob:
        """Cancel the job, at once unless it is running.

        A running job comes back with ``cancel_requested``. The service that runs it ends it at
        its next call, and the job may complete before that.
        """
        return job_events.cancel(self._session, job_id)

    @application_errors()
    def retry_job(self, job_id: int) -> MarketplaceJob:
        """Make a failed, cancelled, expired or paused job pending; its attempts start anew."""
        return job_events.requeue(self._session, job_id)

    @application_errors()
    def increment_retry(self, job_id: int) -> tuple[MarketplaceJob, bool]:
        """Use up one attempt of a running job.

        Returns:
            The job, and whether it waits for another attempt, with backoff. It does not if no
            attempt remained, so that it failed, or if a cancellation was requested, which ends it.
        """
        job = job_rows.job_by_id(self._session, job_id)
        if job is None:
            raise JobNotFound(job_id)
        # A cancellation wins over a further attempt, as it does in the service.
        if job.cancel_requested:
            return job_events.finish_cancellation(self._session, job_id), False
        if job.retry_count >= job.max_retries:
            error = job.error_message or f"it failed {job.retry_count + 1} times"
            return job_events.fail(self._session, job_id, error), False
        # The jitter keeps jobs that failed together from coming back together.
        delay = backoff(job.retry_count, random.random())  # noqa: S311
        return job_events.try_again(self._session, job_id, delay), True

    @application_errors()
    def expire_old_jobs(self, marketplace: str) -> int:
        """Expire the jobs that could have started in time but did not; returns how many.

        The time of a job stands still while it waits for its seller, for a closure or for a
        person.
        """
        # Only the records of marketplaces say whose jobs wait for a browser.
        return expiry.expire_jobs(self._session, marketplace, load_registry().needing_sellers)

    @application_errors()
    def get_stats(self, days: int = 7) -> dict[str, Any]:
        """Count the jobs that were created in the last days.

        Returns:
            ``total``, ``by_status``, ``by_marketplace`` (each with its statuses),
            ``success_rate`` (the share of the ended jobs that completed, 0 to 1, or None) and
            ``average_seconds`` (from the first start to the end, or None).
        """
        period = _period(days)
        counts = statistics.count_jobs(self._session, period)
        by_status = Counter[str]()
        by_marketplace: dict[str, dict[str, int]] = {}
        for (marketplace, status), number in counts.items():
            by_status[status] += number
            by_marketplace.setdefault(marketplace, {})[status] = number
        # Jobs that have not ended count neither as a success nor as a failure.
        over = sum(by_status[status] for status in FINAL)
        mean = statistics.mean_duration(self._session, period)
        return {
            "days": days,
            "total": by_status.total(),
            "by_status": {status.value: by_status[status] for status in JobStatus},
            "by_marketplace": by_marketplace,
            "success_rate": by_status[JobStatus.COMPLETED] / over if over else None,
            "average_seconds": None if mean is None else mean.total_seconds(),
        }

    def wait(
        self,
        job_id: int,
        timeout: timedelta | float | None = None,
        look: completion.Look | None = None,
    ) -> MarketplaceJob:
        """Wait until a committed job is over; returns its final state, detached from sessions.

        Args:
            timeout: a timedelta or seconds; None waits without a limit.
            look: a function that is called with the job after each look at it.

        Raises:
            WaitTimeout: the job was not over in time, and goes on.
            JobNotFound
        """
        read = completion.snapshot_reader(self._session, job_id)
        return completion.wait_until_over(read, completion.as_timeout(timeout), look)


def _period(days: int) -> timedelta:
    try:
        # A comparison that is impossible is as wrong as a number below 1.
        if days > 0:
            return timedelta(days=days)
    except (OverflowError, TypeError):
        pass
    raise InputError(f"days must be a positive number of days, not {days!r}")
