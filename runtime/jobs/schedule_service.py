"""ScheduleService manages schedules, which create jobs again and again by a cron expression."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from runtime.errors import InputError, ScheduleExists, ScheduleNotFound
from runtime.jobs import schedule_firing
from runtime.jobs.creation import checked_input, known_action_type
from runtime.jobs.cron import checked_cron, next_firing
from runtime.shops.choice import chosen_shop
from runtime.storage.models import JobSchedule, MarketplaceJob
from runtime.storage.queue import schedule_rows
from runtime.storage.server.session_errors import application_errors
from runtime.values.arguments import checked_priority, checked_text, is_storable

LONGEST_NAME = 100


class ScheduleService:
    """Adds schedules, and looks after them, in the caller's transaction.

    No method commits; running services notice a change with the commit. Every method raises
    :class:`runtime.applications.DatabaseUnavailable` if the server is away.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @application_errors()
    def add_schedule(
        self,
        name: str,
        cron: str,
        marketplace: str,
        action_code: str,
        *,
        user_id: int | None = None,
        shop_id: int | None = None,
        timezone: str = "UTC",
        input_data: Mapping[str, Any] | None = None,
        priority: int | None = None,
    ) -> JobSchedule:
        """Add a schedule.

        Args:
            cron: five fields: minute, hour, day of month, month, day of week.
            timezone: an IANA name; the fields are local time there.
            user_id: see :meth:`runtime.applications.MarketplaceJobService.create_job`, as for
                ``shop_id``, ``input_data`` and ``priority``.

        Raises:
            ScheduleExists: another schedule has that name.
            ActionTypeNotFound, ShopRequired, ShopNotFound, InvalidJson, InputError
        """
        if len(checked_text(name, "name")) > LONGEST_NAME:
            raise InputError(f"name has {len(name)} characters; at most {LONGEST_NAME} fit")
        now = schedule_rows.database_time(self._session)
        expression = checked_cron(cron, timezone, now)
        action_type = known_action_type(self._session, marketplace, action_code)
        shop = chosen_shop(self._session, marketplace, user_id, shop_id)
        values = {
            "name": name,
            "cron": expression,
            "timezone": timezone,
            "marketplace": marketplace,
            "action_type_id": action_type.id,
            "user_id": shop.user_id,
            "shop_id": shop.id,
            "priority": None if priority is None else checked_priority(priority),
            "input_data": checked_input(input_data),
            "next_run_at": next_firing(expression, timezone, now),
        }
        schedule = schedule_rows.insert_schedule(self._session, values)
        # The name is looked at by the insert itself, since a look before it could be too late.
        if schedule is None:
            raise ScheduleExists(name)
        schedule_rows.announce_change(self._session)
        return schedule

    @application_errors()
    def get_schedule(self, name: str) -> JobSchedule | None:
        """Return the schedule in its present state, or None."""
        row = schedule_rows.schedule_by_name(self._session, name) if is_storable(name) else None
        return None if row is None else row[0]

    @application_errors()
    def list_schedules(self, marketplace: str | None = None) -> Sequence[schedule_rows.ScheduleRow]:
        """Return the schedules in the order of their names, each with the code of its action."""
        return schedule_rows.schedule_rows(self._session, marketplace)

    @application_errors()
    def pause_schedule(self, name: str) -> JobSchedule:
        """Stop the schedule until it is resumed; a second pause changes nothing."""
        schedule, _ = self._locked(name)
        schedule.paused = True
        return self._changed(schedule)

    @application_errors()
    def resume_schedule(self, name: str) -> JobSchedule:
        """Let the schedule fire again from now on, without the firings that it missed."""
        schedule, _ = self._locked(name)
        # A schedule that runs keeps its next time: to resume it twice must not skip a firing.
        if schedule.paused:
            # By the database's clock, which alone decides which schedules are due.
            now = schedule_rows.database_time(self._session)
            schedule.next_run_at = next_firing(schedule.cron, schedule.timezone, now)
            schedule.paused = False
            schedule.error_message = None
        return self._changed(schedule)

    @application_errors()
    def remove_schedule(self, name: str) -> JobSchedule:
        """Remove the schedule; the jobs that it created stay."""
        schedule, _ = self._locked(name)
        self._session.delete(schedule)
        return self._changed(schedule)

    @application_errors()
    def run_now(self, name: str) -> MarketplaceJob:
        """Create the schedule's job now, even if it is paused; its next firing does not change.

        Raises:
            ScheduleNotFound
            InputError: the job cannot be created.
        """
        schedule, action = self._locked(name)
        # The job has no key: a person who asks for a run wants one, also beside the schedule's own.
        job = schedule_firing.create_job(self._session, schedule, action)
        now = schedule_rows.database_time(self._session)
        schedule_firing.note_job(schedule, job, now)
        self._session.flush()
        return job

    def _locked(self, name: str) -> schedule_rows.ScheduleRow:
        usable = isinstance(name, str) and is_storable(name)
        row = schedule_rows.schedule_by_name(self._session, name, lock=True) if usable else None
        if row is None:
            raise ScheduleNotFound(name)
        return row

    def _changed(self, schedule: JobSchedule) -> JobSchedule:
        self._session.flush()
        schedule_rows.announce_change(self._session)
        return schedule


def schedule_view(schedule: JobSchedule, action: str) -> dict[str, Any]:
    """Return one schedule as a JSON object, whose keys other software relies on."""
    return {
        "name": schedule.name,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "marketplace": schedule.marketplace,
        "action": action,
        "user_id": schedule.user_id,
        "shop_id": schedule.shop_id,
        "priority": schedule.priority,
        "input": schedule.input_data,
        "paused": schedule.paused,
        "next_run_at": None if schedule.paused else _iso(schedule.next_run_at),
        "last_run_at": _iso(schedule.last_run_at),
        "last_job_id": schedule.last_job_id,
        "error": schedule.error_message,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
