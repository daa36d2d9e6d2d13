"""Changes of a job's status that do not come from the run that owns it.

Each bumps the fence, so that a run that owned the job until now writes nothing more.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from runtime.arguments import LARGEST_ID
from runtime.errors import JobNotFound, ProductBusy
from runtime.states import JobEvent, JobStatus, after, sources, target
from runtime.storage import journal
from runtime.storage.jobs import announce_end, announce_job, job_by_id, notify
from runtime.storage.locks import bounded_lock_waits
from runtime.storage.models import MarketplaceJob
from runtime.storage.notifications import CANCEL_CHANNEL


def start(session: Session, job_id: int) -> MarketplaceJob:
    """Take a pending job to run it outside of any service.

    Raises:
        ProductBusy: another job of its product runs.
    """
    values = {"started_at": func.coalesce(MarketplaceJob.started_at, func.clock_timestamp())}
    try:
        with session.begin_nested():
            return _change(session, job_id, JobEvent.CLAIM, {**values, "waiting_reason": None})
    except IntegrityError as error:
        raise ProductBusy(
            f"job {job_id} cannot start now: another job of its product runs in this shop, and "
            "they run one at a time; wait until that one is over"
        ) from error


def complete(session: Session, job_id: int, result: Any) -> MarketplaceJob:
    """End a running job well."""
    values = {"result_data": result, "error_message": None, "failed_step": None}
    return _end(session, job_id, JobEvent.COMPLETE, values)


def fail(session: Session, job_id: int, error: str) -> MarketplaceJob:
    """End a running job badly."""
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
    """Let nobody run the job until it is resumed."""
    values = {"node_id": None, "waiting_reason": "paused; it goes on when it is resumed"}
    return _change(session, job_id, JobEvent.PAUSE, values)


def resume(session: Session, job_id: int) -> MarketplaceJob:
    """Let a paused job run again, with the attempts it has left."""
    job = _change(session, job_id, JobEvent.RESUME, {"waiting_reason": None})
    announce_job(session, job)
    return job


def answer(session: Session, job_id: int, step: str, result: Any, *, happened: bool) -> list[str]:
    """Tell of a paused job whether a step took effect; returns the steps that are still open."""
    with bounded_lock_waits(session, f"job {job_id}"):
        query = select(MarketplaceJob.status).where(MarketplaceJob.id == job_id).with_for_update()
        status = session.scalar(query) if 0 < job_id <= LARGEST_ID else None
    if status is None:
        raise JobNotFound(job_id)
    after(JobStatus(status), JobEvent.RESUME)
    return journal.answer_step(session, job_id, step, result, happened=happened)


def requeue(session: Session, job_id: int) -> MarketplaceJob:
    """Run a job again that is over, or paused; its attempts start anew."""
    values = {
        **dict.fromkeys(("result_data", "error_message", "failed_step", "progress")),
        **dict.fromkeys(("waiting_reason", "completed_at", "expires_at", "superseded_by")),
        **dict.fromkeys(("retry_count", "snooze_count", "poison_count"), 0),
        "cancel_requested": False,
        "run_at": func.clock_timestamp(),
    }
    job = _change(session, job_id, JobEvent.REQUEUE, values)
    announce_job(session, job)
    return job


def cancel(session: Session, job_id: int) -> MarketplaceJob:
    """Cancel a job that does not run; ask the service that runs it to do so otherwise.

    A running job is not marked cancelled here: what it has under way may still take effect,
    and only its own settlement knows.
    """
    waiting = [status for status in sources(JobEvent.CANCEL) if status != JobStatus.RUNNING]
    running = [JobStatus.RUNNING.value]
    asked = {"cancel_requested": True}
    ended = {"status": target(JobEvent.CANCEL).value, "fence": MarketplaceJob.fence + 1, **_ended()}
    with bounded_lock_waits(session, f"job {job_id}"):
        while True:
            job = _update(session, job_id, waiting, ended | asked)
            if job is not None:
                announce_end(session, job)
                return job
            job = _update(session, job_id, running, asked)
            if job is not None:
                notify(session, CANCEL_CHANNEL, str(job_id))
                return job
            _require(session, job_id, JobEvent.CANCEL)


def finish_cancellation(session: Session, job_id: int) -> MarketplaceJob:
    """End a running job whose cancellation was asked for, by whoever runs it."""
    return _end(session, job_id, JobEvent.CANCEL, {})


def expire(session: Session, marketplace: str) -> int:
    """End the jobs that never started and whose time is over; returns how many."""
    overdue = (
        select(MarketplaceJob.id)
        .where(
            MarketplaceJob.marketplace == marketplace,
            MarketplaceJob.status.in_(sources(JobEvent.EXPIRE)),
            MarketplaceJob.started_at.is_(None),
            MarketplaceJob.expires_at <= func.now(),
        )
        .with_for_update(skip_locked=True)
    )
    statement = (
        update(MarketplaceJob)
        .where(MarketplaceJob.id.in_(overdue))
        .values(
            status=target(JobEvent.EXPIRE).value,
            error_message="it expired before it could start",
            **_ended(),
        )
        .returning(MarketplaceJob)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    expired = session.scalars(statement).all()
    for job in expired:
        announce_end(session, job)
    return len(expired)


def _end(session: Session, job_id: int, event: JobEvent, values: dict[str, Any]) -> MarketplaceJob:
    job = _change(session, job_id, event, {**values, **_ended()})
    announce_end(session, job)
    return job


def _ended() -> dict[str, Any]:
    return {"completed_at": func.clock_timestamp(), "node_id": None, "waiting_reason": None}


def _change(
    session: Session, job_id: int, event: JobEvent, values: dict[str, Any]
) -> MarketplaceJob:
    changed = {"status": target(event).value, "fence": MarketplaceJob.fence + 1, **values}
    with bounded_lock_waits(session, f"job {job_id}"):
        while True:
            job = _update(session, job_id, sources(event), changed)
            if job is not None:
                return job
            _require(session, job_id, event)


def _update(
    session: Session, job_id: int, statuses: list[str], values: dict[str, Any]
) -> MarketplaceJob | None:
    if not 0 < job_id <= LARGEST_ID:
        return None
    statement = (
        update(MarketplaceJob)
        .where(MarketplaceJob.id == job_id, MarketplaceJob.status.in_(statuses))
        .values(values)
        .returning(MarketplaceJob)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return session.scalars(statement).one_or_none()


def _require(session: Session, job_id: int, event: JobEvent) -> None:
    """Raise why the event matched no row; return where the job changed in between."""
    job = job_by_id(session, job_id)
    if job is None:
        raise JobNotFound(job_id)
    after(JobStatus(job.status), event)
