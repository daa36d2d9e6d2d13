"""Reads and writes schedules, and finds those that are due."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from runtime.storage.models import SCHEMA, JobSchedule, MarketplaceActionType
from runtime.storage.queue.job_rows import notify
from runtime.storage.server.locks import bounded_lock_waits
from runtime.storage.server.notifications import SCHEDULES_CHANNEL

ScheduleRow = tuple[JobSchedule, str]
"""A schedule with the code of its action."""

_TIME_TO_NEXT = text(f"""
    SELECT min(next_run_at) - clock_timestamp() FROM {SCHEMA}.job_schedules WHERE NOT paused
""")


def insert_schedule(session: Session, values: Mapping[str, Any]) -> JobSchedule | None:
    """Insert a schedule; returns None if another schedule has its name."""
    statement = (
        insert(JobSchedule)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(JobSchedule)
    )
    with bounded_lock_waits(session, f"the name {values['name']!r}"):
        return session.scalars(statement).one_or_none()


def schedule_by_name(session: Session, name: str, *, lock: bool = False) -> ScheduleRow | None:
    """Return the schedule as the database has it now, locked if asked."""
    query = _with_codes().where(JobSchedule.name == name)
    if not lock:
        row = session.execute(query).one_or_none()
    else:
        with bounded_lock_waits(session, f"the schedule {name!r}"):
            row = session.execute(query.with_for_update(of=JobSchedule)).one_or_none()
    return None if row is None else (row[0], row[1])


def schedule_rows(session: Session, marketplace: str | None = None) -> Sequence[ScheduleRow]:
    """Return the schedules in the order of their names."""
    query = _with_codes().order_by(JobSchedule.name)
    if marketplace is not None:
        query = query.where(JobSchedule.marketplace == marketplace)
    return [(schedule, code) for schedule, code in session.execute(query)]


def due_schedules(session: Session, limit: int) -> Sequence[ScheduleRow]:
    """Lock and return the schedules that are due and that no other service is firing."""
    query = (
        _with_codes()
        .where(~JobSchedule.paused, JobSchedule.next_run_at <= func.clock_timestamp())
        .order_by(JobSchedule.next_run_at)
        .limit(limit)
        .with_for_update(of=JobSchedule, skip_locked=True)
    )
    return [(schedule, code) for schedule, code in session.execute(query)]


def time_to_next(session: Session) -> timedelta | None:
    """Return the time to the next firing: negative where one is due, None if there is none."""
    delay: timedelta | None = session.execute(_TIME_TO_NEXT).scalar_one()
    return delay


def database_time(session: Session) -> datetime:
    """Return the time of the database's clock, which alone decides which schedules are due."""
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment


def announce_change(session: Session) -> None:
    """Let running services look at the schedules again, after this transaction is committed."""
    notify(session, SCHEDULES_CHANNEL, "")


def _with_codes() -> Any:
    return (
        select(JobSchedule, MarketplaceActionType.code)
        .join(MarketplaceActionType, MarketplaceActionType.id == JobSchedule.action_type_id)
        .execution_options(populate_existing=True)
    )
