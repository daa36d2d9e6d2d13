"""Fires schedules: one transaction creates the job and sets the next time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from runtime.errors import DatabaseUnavailable, InputError
from runtime.jobs.creation import create
from runtime.jobs.cron import next_firing
from runtime.jobs.request import JobRequest
from runtime.runs.job_states import FINAL
from runtime.storage.models import JobSchedule, MarketplaceJob
from runtime.storage.queue import schedule_rows
from runtime.storage.queue.job_rows import job_by_id

# The rows of the schedules are locked until the commit; the others are looked at right after.
MOST_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Fired:
    """The result of one look at the schedules.

    Attributes:
        jobs: the number of jobs that were created.
        problems: the reason why a schedule created no job, by the schedule's name.
        next_in: the time to the next firing; None if no schedule will fire.
    """

    jobs: int
    problems: dict[str, str]
    next_in: timedelta | None


def fire_due(session: Session) -> Fired:
    """Create the jobs of the schedules that are due, and set when these fire next.

    A schedule that was due several times since it last fired fires once, because several runs
    of it right after each other would do the same work again.
    """
    # The services that look at the same schedules may have clocks that differ.
    now = schedule_rows.database_time(session)
    made = 0
    problems: dict[str, str] = {}
    for schedule, action in schedule_rows.due_schedules(session, MOST_AT_ONCE):
        problem = _fire(session, schedule, action, now)
        if problem is None:
            made += 1
        else:
            problems[schedule.name] = problem
    session.flush()
    return Fired(made, problems, schedule_rows.time_to_next(session))


def create_job(
    session: Session, schedule: JobSchedule, action: str, key: str | None = None
) -> MarketplaceJob:
    """Return the job of a schedule.

    Raises:
        InputError: the job cannot be created, for example because its shop is gone.
    """
    request = JobRequest(
        marketplace=schedule.marketplace,
        action_code=action,
        user_id=schedule.user_id,
        shop_id=schedule.shop_id,
        priority=schedule.priority,
        input_data=schedule.input_data,
        idempotency_key=key,
    )
    return create(session, request)


def note_job(schedule: JobSchedule, job: MarketplaceJob, now: datetime) -> None:
    """Write down the job that the schedule created."""
    schedule.last_run_at = now
    schedule.last_job_id = job.id
    schedule.error_message = None


def _fire(session: Session, schedule: JobSchedule, action: str, now: datetime) -> str | None:
    """Fire a schedule once; returns the reason why there is no job, or None."""
    due = schedule.next_run_at
    # The idempotency key makes the firing happen once, even if the next time is set back.
    key = f"schedule:{schedule.id}:{due.astimezone(UTC).isoformat()}"
    problem = _still_waiting(session, schedule)
    if problem is None:
        try:
            # The savepoint undoes a job that is refused half-way; the other schedules of this
            # transaction keep theirs.
            with session.begin_nested():
                job = create_job(session, schedule, action, key)
            note_job(schedule, job, now)
        except InputError as error:
            problem = str(error)
        except DatabaseUnavailable as error:
            # Another transaction holds a lock for long. The schedule stays due, so that the next
            # look tries it again.
            return str(error)
    if problem is not None:
        schedule.error_message = f"no job at {due.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {problem}"
    try:
        # Later than both: later than now, so that missed times are one run, and later than the due
        # time, so that no time is fired twice if a clock was set back.
        schedule.next_run_at = next_firing(schedule.cron, schedule.timezone, max(now, due))
    except InputError as error:
        # It can fire no more; without the pause every look would find it due again.
        schedule.paused = True
        schedule.error_message = f"paused, because {error}"
        return schedule.error_message
    return problem


def _still_waiting(session: Session, schedule: JobSchedule) -> str | None:
    """Return the former job if it has not started: a second one behind it would do nothing new."""
    if schedule.last_job_id is None:
        return None
    job = job_by_id(session, schedule.last_job_id)
    if job is None or job.status in FINAL or job.started_at is not None:
        return None
    return f"job {job.id}, of the time before, has not started yet"
