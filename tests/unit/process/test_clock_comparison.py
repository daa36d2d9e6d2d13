"""The real clock agrees with the database's, whatever the machine's own clock does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.process.clock import SystemClock, moved

TRUE = datetime(2026, 3, 9, 12, tzinfo=UTC)
HOURS = timedelta(hours=2)
NOTHING = timedelta(0)


class Machine:
    """A machine whose clocks a test moves, and a database that it can ask."""

    def __init__(self, wall_ahead: timedelta = NOTHING) -> None:
        self.wall = TRUE + wall_ahead
        self.monotonic = 1_000.0
        self.database = TRUE
        self.clock = SystemClock(self._tell, lambda: self.wall, lambda: self.monotonic)

    def _tell(self, actor: str, message: Any) -> None:
        raise AssertionError("nothing was due")

    def pass_time(self, duration: timedelta, *, suspended: bool = False) -> None:
        self.wall += duration
        self.database += duration
        if not suspended:
            self.monotonic += duration.total_seconds()

    def compare(self, travel: timedelta = NOTHING) -> timedelta:
        """Ask the database, whose answer takes twice the travel; return the correction."""
        asked_at = self.clock.now()
        self.pass_time(travel)
        there = self.database
        self.pass_time(travel)
        return self.clock.compare(there, asked_at, self.clock.now()).corrected

    @property
    def on_database(self) -> datetime:
        return self.clock.now() - self.clock.lead


@pytest.mark.parametrize("ahead", [-HOURS, timedelta(seconds=-90), NOTHING, HOURS])
def test_the_first_comparison_agrees_with_the_database_in_both_directions(
    ahead: timedelta,
) -> None:
    machine = Machine(ahead)
    assert machine.compare() == -ahead
    assert (machine.clock.now(), machine.clock.lead) == (TRUE, NOTHING)


@pytest.mark.parametrize("step", [-HOURS, HOURS])
def test_a_step_of_the_clock_of_the_machine_moves_nothing(step: timedelta) -> None:
    machine = Machine()
    machine.compare()
    machine.wall += step
    machine.pass_time(timedelta(minutes=1))
    asked_at = machine.clock.now()
    found = machine.clock.compare(machine.database, asked_at, asked_at)
    assert (found.corrected, found.machine_behind) == (NOTHING, -step)
    assert machine.clock.now() == machine.database


def test_the_time_moves_on_after_the_monotonic_clock_stood_still() -> None:
    machine = Machine()
    machine.compare()
    machine.pass_time(HOURS, suspended=True)
    assert machine.compare() == HOURS
    assert (machine.clock.now(), machine.clock.lead) == (machine.database, NOTHING)


def test_the_time_never_steps_back_and_its_lead_over_the_database_is_known() -> None:
    machine = Machine()
    machine.compare()
    before = machine.clock.now()
    machine.database -= HOURS
    assert machine.compare() == -HOURS
    assert machine.clock.now() >= before
    assert machine.clock.lead == HOURS
    assert machine.on_database == machine.database
    assert machine.compare() == NOTHING


def test_a_database_that_comes_forward_again_uses_up_the_lead_first() -> None:
    machine = Machine()
    machine.compare()
    machine.database -= HOURS
    machine.compare()
    before = machine.clock.now()
    machine.database += HOURS / 2
    machine.compare()
    assert (machine.clock.now(), machine.clock.lead) == (before, HOURS / 2)
    machine.database += HOURS
    machine.compare()
    assert (machine.clock.now(), machine.clock.lead) == (before + HOURS / 2, NOTHING)
    assert machine.on_database == machine.database


def test_an_answer_that_took_long_corrects_nothing_that_it_cannot_know() -> None:
    machine = Machine()
    machine.compare()
    assert machine.compare(timedelta(seconds=20)) == NOTHING
    machine.database += timedelta(seconds=15)
    assert machine.compare(timedelta(seconds=20)) == NOTHING
    assert machine.compare() == timedelta(seconds=15)


def test_a_moment_at_the_end_of_the_calendar_is_not_moved() -> None:
    end = datetime.max.replace(tzinfo=UTC)
    assert moved(end, HOURS) == end
    assert moved(TRUE, HOURS) == TRUE + HOURS
