"""Changes the status of jobs from outside of the run that owns them.

Each change raises the fence, so that a run that owned the job until now writes nothing more.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from runtime.errors import JobNotFound, ProductBusy
from runtime.runs.job_states import FINAL, JobEvent, JobStatus, after, sources, target
from runtime.storage.models import MarketplaceJob
from runtime.storage.queue import batch_rows, journal_rows
from runtime.storage.queue.job_rows import announce_end, announce_job, job_by_id, notify
from runtime.storage.server.locks import again_and_again, bounded_lock_waits
from runtime.storage.server.notifications import CANCEL_CHANNEL, PAUSE_CHANNEL
from runtime.values.arguments import LARGEST_ID

PAUSED = "paused; it goes on when it is resumed"


def start(session: Session, job_id: int) -> MarketplaceJob:
    """Take a pending job, to run it outside of any service.

    Raises:
        ProductBusy: another job of its product runs.
    """
    values = {"started_at": func.coalesce(MarketplaceJob.started_at, func.clock_timestamp())}
    try:
        # A savepoint, because the index that refuses a second job of the product would otherwise
        # abort the caller's transaction.
        with session.begin_nested():
            return _change(session, job_id, JobEvent.CLAIM, {**values, "waiting_reason": None})
    except IntegrityError as error:
        raise ProductBusy(
            f"job {job_id} cannot start now: another job of its product runs in this shop, and "
            "they run one at a time; wait until that one is over"
        ) from error


def complete(session: Session, job_id: int, result: Any) -> MarketplaceJob:
    """Complete a running job."""
    values = {"result_data": result, "error_message": None, "failed_step": None}
    return _end(session, job_id, JobEvent.COMPLETE, values)


def fail(session: Session, job_id: int, error: str) -> MarketplaceJob:
    """Fail a running job."""
    return _end(session, job_id, JobEvent.FAIL, {"error_message": error})


def try_again(session: Session, job_id: int, delay: timedelta) -> MarketplaceJob:
    """Use up one attempt of a running job and let it wait."""
    values = {
        "retry_count": MarketplaceJob.retry_count + 1,
        "run_at": func.clock_timestamp() + delay,
        "node_id": None,
    }
    job = _change(session, job_id, JobEvent.RETRY, values)
    announce_job(session, job)
    return job


def pause(session: Session, job_id: int) -> MarketplaceJob:
    """Let nobody run the job until it is resumed; a running job is asked to stop when it can.

    A job that a service runs is not marked paused here, because the outcomes of its calls that
    are under way have to be recorded first.
    """
    at_once = or_(MarketplaceJob.status != JobStatus.RUNNING, MarketplaceJob.node_id.is_(None))
    # The time of a paused job stands still at once, without waiting for the next sweep.
    held = func.coalesce(MarketplaceJob.expiry_held_since, func.clock_timestamp())
    paused: dict[str, Any] = {
        "status": target(JobEvent.PAUSE).value,
        "fence": MarketplaceJob.fence + 1,
        "waiting_reason": PAUSED,
        "expiry_held_since": held,
    }
    asked = {"pause_requested": True}
    return _ask(session, job_id, JobEvent.PAUSE, at_once, paused, asked, PAUSE_CHANNEL)


def resume(session: Session, job_id: int) -> MarketplaceJob:
    """Let a paused job run again, with its remaining attempts.

    A job that was asked to pause and still runs goes on.
    """

    def change() -> MarketplaceJob:
        asked = MarketplaceJob.pause_requested
        job = _update(session, job_id, [JobStatus.RUNNING], {"pause_requested": False}, asked)
        return job or _changed(session, job_id, JobEvent.RESUME, {"waiting_reason": None})

    job = again_and_again(session, f"job {job_id}", change)
    announce_job(session, job)
    return job


def answer(session: Session, job_id: int, step: str, result: Any, *, happened: bool) -> list[str]:
    """Write whether a step of a paused job took effect; returns the steps that are still open."""
    with bounded_lock_waits(session, f"job {job_id}"):
        query = select(MarketplaceJob.status).where(MarketplaceJob.id == job_id).with_for_update()
        status = session.scalar(query) if 0 < job_id <= LARGEST_ID else None
    if status is None:
        raise JobNotFound(job_id)
    after(JobStatus(status), JobEvent.RESUME)
    return journal_rows.answer_step(session, job_id, step, result, happened=happened)


def requeue(session: Session, job_id: int) -> MarketplaceJob:
    """Run a job again that is over or paused; its attempts start anew."""
    values = {
        **dict.fromkeys(("result_data", "error_message", "failed_step", "progress")),
        # With its former ``expires_at`` a job that expired would expire again at once.
        **dict.fromkeys(("waiting_reason", "completed_at", "expires_at", "superseded_by")),
        **dict.fromkeys(("retry_count", "snooze_count", "poison_count"), 0),
        "cancel_requested": False,
        "pause_requested": False,
        "run_at": func.clock_timestamp(),
    }
    job = _change(session, job_id, JobEvent.REQUEUE, values)
    if job.batch_job_id is not None:
        batch_rows.lock_open(session, job.batch_job_id)
    announce_job(session, job)
    return job


def cancel(session: Session, job_id: int) -> MarketplaceJob:
    """Cancel a job that does not run; of a running job, ask the service to end it.

    A running job is not marked cancelled here, because its calls that are under way may still
    take effect, and only its own settlement knows.
    """
    cancelled = {
        "status": target(JobEvent.CANCEL).value,
        "fence": MarketplaceJob.fence + 1,
        **_ended(),
    }
    asked = {"cancel_requested": True}
    waits = MarketplaceJob.status != JobStatus.RUNNING
    return _ask(session, job_id, JobEvent.CANCEL, waits, cancelled | asked, asked, CANCEL_CHANNEL)


def finish_cancellation(session: Session, job_id: int) -> MarketplaceJob:
    """End a running job whose cancellation was asked for; its runner calls this."""
    return _end(session, job_id, JobEvent.CANCEL, {})


def _end(session: Session, job_id: int, event: JobEvent, values: dict[str, Any]) -> MarketplaceJob:
    return _change(session, job_id, event, {**values, **_ended()})


def _ended() -> dict[str, Any]:
    return {"completed_at": func.clock_timestamp(), "node_id": None, "waiting_reason": None}


def _ask(
    session: Session,
    job_id: int,
    event: JobEvent,
    at_once: Any,
    done: dict[str, Any],
    asked: dict[str, Any],
    channel: str,
) -> MarketplaceJob:
    """Change the job at once if that is possible, or otherwise ask the service that runs it."""

    def change() -> MarketplaceJob:
        while True:
            job = _update(session, job_id, sources(event), done, at_once)
            if job is not None:
                return _after(session, job, event)
            job = _update(session, job_id, [JobStatus.RUNNING], asked)
            if job is not None:
                notify(session, channel, str(job_id))
                return job
            _require(session, job_id, event)

    return again_and_again(session, f"job {job_id}", change)


def _change(
    session: Session, job_id: int, event: JobEvent, values: dict[str, Any]
) -> MarketplaceJob:
    def change() -> MarketplaceJob:
        return _changed(session, job_id, event, values)

    return again_and_again(session, f"job {job_id}", change)


def _changed(
    session: Session, job_id: int, event: JobEvent, values: dict[str, Any]
) -> MarketplaceJob:
    changed = {"status": target(event).value, "fence": MarketplaceJob.fence + 1, **values}
    while True:
        job = _update(session, job_id, sources(event), changed)
        if job is not None:
            return _after(session, job, event)
        _require(session, job_id, event)


def _after(session: Session, job: MarketplaceJob, event: JobEvent) -> MarketplaceJob:
    """Let others know of a job's end: its product is free, and its batch may be over."""
    if target(event) in FINAL:
        announce_end(session, job)
        batch_rows.close_ended(session, [job.batch_job_id])
    return job


def _update(
    session: Session, job_id: int, statuses: Sequence[str], values: dict[str, Any], *where: Any
) -> MarketplaceJob | None:
    if not 0 < job_id <= LARGEST_ID:
        return None
    statement = (
        update(MarketplaceJob)
        .where(MarketplaceJob.id == job_id, MarketplaceJob.status.in_(statuses), *where)
        .values(values)
        .returning(MarketplaceJob)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return session.scalars(statement).one_or_none()


def _require(session: Session, job_id: int, event: JobEvent) -> None:
    """Raise the reason why the event matched no row; return if the job changed in between."""
    job = job_by_id(session, job_id)
    if job is None:
        raise JobNotFound(job_id)
    after(JobStatus(job.status), event)
