"""SchedulerActor: creates the jobs of schedules when their time has come."""

from datetime import timedelta
from typing import Any

from actors.base_actor import BaseActor
from runtime import messages
from runtime.errors import DatabaseUnavailable
from runtime.jobs.schedule_firing import Fired, fire_due
from runtime.process.clock import Timer
from runtime.storage.server.engine import Database


class SchedulerActor(BaseActor):
    """Fires schedules; each node has one such actor, and any of them may fire a schedule.

    Args:
        poll_interval: the time that a lost hint, or a database that is away, can cost.
    """

    def __init__(self, *base: Any, database: Database, poll_interval: timedelta) -> None:
        super().__init__(*base)
        self._database = database
        self._poll_interval = poll_interval
        self._timer: Timer | None = None

    def started(self) -> None:
        """Fire the schedules that fell due while no service ran."""
        self._look()

    def receive(self, message: Any) -> None:
        """Look at the schedules, whatever the message says."""
        match message:
            case messages.ScheduleDue() | messages.SchedulesChanged():
                self._look()
            case _:
                super().receive(message)

    def _look(self) -> None:
        # Each look sets the next one, and there must not be two chains of looks.
        if self._timer is not None:
            self._timer.cancel()
        due = self.clock.now() + self._fire()
        self._timer = self.clock.call_at(due, self.name, messages.ScheduleDue())

    def _fire(self) -> timedelta:
        """Fire the schedules that are due; returns the time until the next look."""
        try:
            with self._database.transaction("schedule") as session:
                fired = fire_due(session)
        except DatabaseUnavailable as error:
            self.log.warning("database away, schedules wait", reason=str(error))
            return self._poll_interval
        for name, problem in fired.problems.items():
            self.log.warning("a schedule created no job", schedule=name, reason=problem)
        return self._until_next(fired)

    def _until_next(self, fired: Fired) -> timedelta:
        # A schedule that is due and created no job would be looked at again at once, for ever.
        if fired.next_in is None or (fired.next_in <= timedelta(0) and not fired.jobs):
            return self._poll_interval
        return min(max(fired.next_in, timedelta(0)), self._poll_interval)
