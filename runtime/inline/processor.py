"""Runs the next job by the interface that the back ends of the former system call."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from runtime.errors import JobNotFound, ShopNotFound, UnknownHandler, not_connected_message
from runtime.errors.program import PROGRAM
from runtime.handlers.registry import Registry, load_registry
from runtime.inline.driver import InlineDriver
from runtime.inline.driver_factory import inline_driver
from runtime.jobs import completion
from runtime.rate_limits.closures import Closures, path
from runtime.runs.job import handler_key
from runtime.runs.job_states import FINAL, JobStatus
from runtime.storage.models import MarketplaceJob, Shop
from runtime.storage.nodes import liveness
from runtime.storage.queue import closure_rows, job_rows
from runtime.storage.selling import shop_rows
from runtime.storage.server.session_errors import application_errors
from runtime.values.arguments import checked_id

PRESENCE_PATIENCE_SECONDS = 2.0
"""The presence of a seller who has just connected is written with a delay; this wait covers it."""
CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """The state of a job at the moment when its attempt was asked for.

    Attributes:
        retries: the number of attempts that were used up.
        snoozes: the number of times that the job was put off.
    """

    job_id: int
    marketplace: str
    action: str
    shop_id: int
    user_id: int
    retries: int
    snoozes: int

    @property
    def key(self) -> str:
        """The key of the job's handler."""
        return handler_key(self.action, self.marketplace)

    def is_over(self, job: MarketplaceJob) -> bool:
        """Return whether the attempt was settled."""
        # The counters decide, not the status alone: after a retry or a snooze the job is pending as
        # before, and may even run again by the time of this look.
        status = JobStatus(job.status)
        return (
            status in FINAL
            or status is JobStatus.PAUSED
            or job.retry_count > self.retries
            or job.snooze_count > self.snoozes
        )


class MarketplaceJobProcessor:
    """Runs one job after the other: by a service if one is alive, otherwise in this process.

    Args:
        db: the application's session; :meth:`process_next_job` commits it.
        shop_id: the shop's id, or the marketplace's own id of it; None: all shops of the user.
        marketplace: the marketplace's name; None: every marketplace that has handlers.
        registry: by default the installed handler plugins.
        make_driver: makes the driver that runs jobs if no service is alive; by default it follows
            the settings.
    """

    def __init__(
        self,
        db: Session,
        user_id: int,
        shop_id: int | None = None,
        marketplace: str | None = None,
        *,
        registry: Registry | None = None,
        make_driver: Callable[[Session, Registry], InlineDriver] = inline_driver,
    ) -> None:
        self._session = db
        self._user_id = checked_id(user_id, "user_id")
        self._shop_id = shop_id
        self._marketplace = marketplace
        self._make_driver = make_driver
        self._registry = registry
        self._driver: InlineDriver | None = None

    async def process_next_job(self) -> dict[str, Any] | None:
        """Commit, and have the next job that is due run once; the event loop goes on.

        A caller that gives up waiting stops nothing: the attempt goes on, and is settled.

        With a live service, it is the job that waits, or otherwise a job that is already running.

        Returns:
            None where there is none that can run now; ``{job_id, marketplace, action, success:
            True, result, duration_ms}``; or ``{job_id, marketplace, action, success: False,
            error, will_retry, retry_count}``.

        Raises:
            ShopNotFound: the seller has no such shop.
            JobNotFound: somebody removed the job while it was waited for.
            DatabaseUnavailable, DatabaseNotMigrated
        """
        # The session is used by that thread alone while this call lasts.
        return await asyncio.to_thread(self._process_next_job)

    @application_errors()
    def _process_next_job(self) -> dict[str, Any] | None:
        began = time.monotonic()
        found = self._shops()
        # The job is looked up before the commit, because a service hears of it with the commit and
        # may have ended it before a later look.
        attempt = self._next(self._session, found, JobStatus.PENDING)
        self._session.commit()
        with self._own_session() as own:
            alive = liveness.living_nodes(own)
            if alive and attempt is None:
                attempt = self._next(own, found, JobStatus.RUNNING)
        if attempt is None:
            return None
        if alive:
            return self._by_service(attempt, found, began)
        return self._here(found, attempt, began)

    def _own_session(self) -> Session:
        """Open a short session, so that the caller's transaction stays as the commit left it."""
        return Session(self._session.get_bind().engine, expire_on_commit=False)

    @property
    def _handlers(self) -> Registry:
        if self._registry is None:
            self._registry = load_registry()
        return self._registry

    # --- which job ------------------------------------------------------------------------

    def _shops(self) -> Sequence[Shop]:
        mine = shop_rows.list_shops(
            self._session, marketplace=self._marketplace, user_id=self._user_id
        )
        if self._shop_id is None:
            return mine
        named = [one for one in mine if one.id == self._shop_id]
        # The former system knew shops by what is now the marketplace's own id.
        named = named or [one for one in mine if one.external_id == str(self._shop_id)]
        if not named:
            where = "" if self._marketplace is None else f" on {self._marketplace}"
            raise ShopNotFound(
                f"user {self._user_id} has no shop {self._shop_id}{where}; "
                f"`{PROGRAM} shops list` shows those that exist"
            )
        return named

    @staticmethod
    def _next(session: Session, found: Sequence[Shop], status: JobStatus) -> Attempt | None:
        row = job_rows.first_of_shops(session, [one.id for one in found], status)
        if row is None:
            return None
        job, action = row
        return Attempt(
            job.id, job.marketplace, action, job.shop_id, job.user_id, job.retry_count,
            job.snooze_count,
        )  # fmt: skip

    # --- by a service ---------------------------------------------------------------------

    def _by_service(
        self, attempt: Attempt, found: Sequence[Shop], began: float
    ) -> dict[str, Any] | None:
        """Wait for the attempt to be settled, unless something else has to happen first."""
        held: list[str] = []

        def read() -> MarketplaceJob:
            with self._own_session() as own:
                job = _job(own, attempt.job_id)
                waits = job.status == JobStatus.PENDING and not attempt.is_over(job)
                # Only a job that waits can be held up; one that runs ends by itself.
                if waits and (reason := self._held_up(own, attempt, began)) is not None:
                    held.append(reason)
                return job

        job = completion.watch(read, lambda job: attempt.is_over(job) or bool(held), None)
        if attempt.is_over(job):
            return _report(attempt, job, began)
        if held[-1] is CLOSED:
            return None
        if held[-1]:
            return _failure(attempt, job, held[-1])
        # The service has ended; the job is run here.
        return self._here(found, attempt, began)

    def _held_up(self, session: Session, attempt: Attempt, began: float) -> str | None:
        """Return why the service does not run the job; empty if there is no service any more."""
        around = liveness.circumstances(session, [attempt.user_id])
        if not around.service_alive:
            return ""
        marketplace = self._handlers.marketplaces.get(attempt.marketplace)
        if marketplace is None:
            return str(UnknownHandler(attempt.key))
        scopes = path(attempt.marketplace, attempt.shop_id, attempt.action)
        closed = Closures(closure_rows.closures_of(session, [attempt.marketplace]))
        if any(closed.of(scopes, around.now)):
            return CLOSED
        away = not marketplace.lanes.is_served(attempt.user_id in around.connected)
        if away and time.monotonic() - began > PRESENCE_PATIENCE_SECONDS:
            return not_connected_message(attempt.user_id)
        return None

    # --- in this process ------------------------------------------------------------------

    def _here(self, found: Sequence[Shop], attempt: Attempt, began: float) -> dict[str, Any] | None:
        driver = self._driver = self._driver or self._make_driver(self._session, self._handlers)
        # The marketplace of the job that is due first comes first.
        others = sorted({one.marketplace for one in found} - {attempt.marketplace})
        for marketplace in (attempt.marketplace, *others):
            if marketplace in self._handlers.marketplaces:
                mine = [one.id for one in found if one.marketplace == marketplace]
                run = driver.run_next(marketplace, mine)
                if run is not None:
                    ran = Attempt(
                        run.id, run.marketplace, run.action, run.shop.id, run.user_id,
                        run.retry_count, 0,
                    )  # fmt: skip
                    return _report(ran, self._read(run.id), began)
        if attempt.marketplace not in self._handlers.marketplaces:
            unknown = str(UnknownHandler(attempt.key))
            return _failure(attempt, self._read(attempt.job_id), unknown)
        return None

    def _read(self, job_id: int) -> MarketplaceJob:
        with self._own_session() as own:
            return _job(own, job_id)


def _job(session: Session, job_id: int) -> MarketplaceJob:
    job = session.get(MarketplaceJob, job_id)
    if job is None:
        raise JobNotFound(job_id)
    return job


def _report(attempt: Attempt, job: MarketplaceJob, began: float) -> dict[str, Any]:
    if job.status == JobStatus.COMPLETED:
        return {
            **_named(attempt),
            "success": True,
            "result": job.result_data,
            "duration_ms": round((time.monotonic() - began) * 1000),
        }
    error = job.error_message or job.waiting_reason or f"the job is {job.status}"
    return _failure(attempt, job, error)


def _failure(attempt: Attempt, job: MarketplaceJob, error: str) -> dict[str, Any]:
    return {
        **_named(attempt),
        "success": False,
        "error": error,
        "will_retry": job.status in {JobStatus.PENDING, JobStatus.RUNNING},
        "retry_count": job.retry_count,
    }


def _named(attempt: Attempt) -> dict[str, Any]:
    return {
        "job_id": attempt.job_id,
        "marketplace": attempt.marketplace,
        "action": attempt.action,
    }
