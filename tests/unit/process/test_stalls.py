"""Stalls: the job whose code kept the heartbeat from its turn is known, and no other is blamed."""

from collections.abc import Iterator

import pytest

from runtime.process.lease import LASTS
from runtime.process.stalls import STALLED_AFTER, Stalls

LONG = STALLED_AFTER.total_seconds() + 5


class Machine:
    """A machine whose time passes as the test says."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.computed = 0.0
        self.stalls = Stalls(lambda: self.seconds, lambda: self.computed)

    def compute(self, seconds: float) -> None:
        self.seconds += seconds
        self.computed += seconds

    def beat_for(self, seconds: int) -> None:
        """Let time pass in which the heartbeat has its turns, and this thread waits."""
        for _ in range(seconds):
            self.seconds += 1
            self.stalls.had_turn()


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine()
    made.stalls.had_turn()
    yield made
    # One stall is told once.
    assert not any(made.stalls.take(job) for job in (1, 2))


def test_a_node_counts_as_stalled_once_its_lease_has_run_out() -> None:
    assert STALLED_AFTER == LASTS


def test_a_job_whose_code_kept_the_heartbeat_from_its_turn_is_known(machine: Machine) -> None:
    with machine.stalls.watching(1):
        machine.compute(LONG)
    assert machine.stalls.take(1)


def test_a_heartbeat_that_came_first_after_the_stall_changes_nothing(machine: Machine) -> None:
    with machine.stalls.watching(1):
        machine.compute(LONG)
        machine.stalls.had_turn()
    assert machine.stalls.take(1)


def test_code_that_raises_is_known_all_the_same(machine: Machine) -> None:
    def fail() -> None:
        with machine.stalls.watching(1):
            machine.compute(LONG)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert machine.stalls.take(1)


def test_code_that_computes_while_the_heartbeat_has_its_turns_stalls_nothing(
    machine: Machine,
) -> None:
    with machine.stalls.watching(1):
        for _ in range(60):
            machine.compute(1)
            machine.stalls.had_turn()
    assert not machine.stalls.take(1)


def test_code_that_was_stopped_with_its_process_is_not_blamed(machine: Machine) -> None:
    with machine.stalls.watching(1):
        machine.seconds += LONG
    assert not machine.stalls.take(1)


def test_short_code_is_not_blamed_for_an_outage_of_the_database(machine: Machine) -> None:
    machine.seconds += STALLED_AFTER.total_seconds() - 1
    with machine.stalls.watching(1):
        machine.compute(2)
    assert not machine.stalls.take(1)


def test_only_the_inner_one_of_two_jobs_is_blamed(machine: Machine) -> None:
    with machine.stalls.watching(1), machine.stalls.watching(2):
        machine.compute(LONG)
    assert machine.stalls.take(2)
    assert not machine.stalls.take(1)


def test_each_further_stall_is_known_too(machine: Machine) -> None:
    for _ in range(3):
        with machine.stalls.watching(1):
            machine.compute(LONG)
        assert machine.stalls.take(1)
        machine.beat_for(3)
