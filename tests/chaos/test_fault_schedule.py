"""A fixed schedule of faults: the sound build does each write once, each broken one does not.

Each broken build (:mod:`tests.chaos.broken`) is the same service without one of its safeguards,
so a safeguard that stops working is a test that fails, and a test that proves nothing is one
that fails for the broken build.
"""

from collections.abc import Callable

import pytest

from runtime.storage.models import SCHEMA
from tests.chaos.handlers import SETTLES_WITHIN
from tests.chaos.stage import Stage, Staged
from tests.support.deadline import wait_until

REFERENCE = "r"
WRITTEN = f"{REFERENCE}-only"
PATIENCE = 100.0
LATER_RUNS = range(3, 30)
"""The runs that follow where a busy service is taken for dead although nobody stopped it."""

pytestmark = pytest.mark.timeout(3 * PATIENCE)


def let_later_runs_pass(stage: Stage, *gates: str) -> None:
    """Keep no run waiting that the schedule does not speak of."""
    for gate in gates:
        for fence in LATER_RUNS:
            stage.marketplace.open_gate(f"{gate}-{fence}")


def ended(stage: Stage, reference: str = REFERENCE) -> None:
    wait_until(lambda: stage.jobs()[reference]["status"] == "completed", PATIENCE)


def lands_late(stage: Stage, without: str | None) -> None:
    """A write is answered 500, and can be seen only after a while."""
    stage.start(without).ready()
    stage.add_job("gated", REFERENCE)
    ended(stage)


def waits_long_and_lands_late(stage: Stage, without: str | None) -> None:
    """A write waits for a thread for longer than it takes to settle, and then lands late."""
    stage.start(without, RUNTIME_HTTP_THREADS="1").ready()
    stage.add_job("gated", "blocker", before="thread")
    wait_until(lambda: stage.marketplace.waiting_at("thread-1"), PATIENCE)
    job_id = stage.add_job("gated", REFERENCE)
    wait_until(lambda: _waits_for(stage, job_id, SETTLES_WITHIN + 0.1), PATIENCE)
    stage.marketplace.open_gate("thread-1")
    ended(stage)


def _waits_for(stage: Stage, job_id: int, seconds: float) -> bool:
    return bool(
        stage.rows(
            f"SELECT id FROM {SCHEMA}.marketplace_tasks WHERE job_id = :id "
            "AND sent_at < now() - make_interval(secs => :seconds)",
            id=job_id, seconds=seconds,
        )
    )  # fmt: skip


def dies_in_flight(stage: Stage, without: str | None) -> None:
    """The service dies after a write has left, before it is answered."""
    service = stage.start(without).ready()
    stage.add_job("gated", REFERENCE)
    wait_until(lambda: stage.marketplace.writes(WRITTEN), PATIENCE)
    service.kill()
    stage.marketplace.open_gate("answer")
    stage.start(without)
    ended(stage)


def wakes_with_a_write_in_its_queue(stage: Stage, without: str | None) -> None:
    """A stopped service has a write that is about to leave; another does it; it wakes up."""
    let_later_runs_pass(stage, "thread")
    zombie = stage.start(without, RUNTIME_HTTP_THREADS="1").ready()
    # Its only thread for HTTP is taken, so that the write stays where it is.
    stage.add_job("gated", "blocker", before="thread")
    wait_until(lambda: stage.marketplace.waiting_at("thread-1"), PATIENCE)
    job_id = stage.add_job("gated", REFERENCE)
    wait_until(lambda: stage.journal(job_id), PATIENCE)
    zombie.freeze()
    stage.marketplace.open_gate("thread-2")
    stage.start(without)
    ended(stage)
    zombie.thaw()
    stage.marketplace.open_gate("thread-1")
    # Both runs are dropped, each once its thread is through with its call.
    wait_until(lambda: zombie.logged().count("run dropped") >= 2 or _done_twice(stage), PATIENCE)


def wakes_and_goes_on(stage: Stage, without: str | None) -> None:
    """A stopped service wakes up while another one is at the same job, and goes on with it."""
    let_later_runs_pass(stage, "start", "end")
    zombie = stage.start(without).ready()
    stage.add_job("gated", REFERENCE, before="start", after="end")
    wait_until(lambda: stage.marketplace.waiting_at("start-1"), PATIENCE)
    zombie.freeze()
    stage.marketplace.open_gate("start-2")
    stage.start(without)
    wait_until(lambda: stage.marketplace.waiting_at("end-2"), PATIENCE)
    zombie.thaw()
    # It believes itself alive again before it goes on.
    wait_until(lambda: zombie.pid in stage.nodes(), PATIENCE)
    stage.marketplace.open_gate("start-1")
    stage.marketplace.open_gate("end-1")
    wait_until(lambda: "run dropped" in zombie.logged() or _done_twice(stage), PATIENCE)
    stage.marketplace.open_gate("end-2")
    ended(stage)


def _done_twice(stage: Stage) -> bool:
    return len(stage.marketplace.effects(WRITTEN)) > 1


SCHEDULE: dict[str, tuple[Callable[[Stage, str | None], None], str]] = {
    "settles_within": (lands_late, "late 500"),
    "intent": (dies_in_flight, "gate answer"),
    "not_after": (wakes_with_a_write_in_its_queue, "well"),
    "fence": (wakes_and_goes_on, "well"),
}
"""By the safeguard that it takes: what happens, and how the first write is treated."""


def effects_of(staged: Staged, safeguard: str, without: str | None) -> int:
    happens, first = SCHEDULE[safeguard]
    with staged(lambda _reference, count: first if count == 0 else "well") as stage:
        happens(stage, without)
        return len(stage.marketplace.effects(WRITTEN))


@pytest.mark.parametrize("safeguard", SCHEDULE)
def test_the_sound_build_writes_once(staged: Staged, safeguard: str) -> None:
    assert effects_of(staged, safeguard, without=None) == 1


def test_a_look_counts_from_when_the_write_left(staged: Staged) -> None:
    first = {(WRITTEN, 0): "late 500"}
    with staged(lambda reference, count: first.get((reference, count), "well")) as stage:
        waits_long_and_lands_late(stage, None)
        assert len(stage.marketplace.effects(WRITTEN)) == 1


@pytest.mark.parametrize("safeguard", SCHEDULE)
def test_a_build_without_the_safeguard_writes_twice(staged: Staged, safeguard: str) -> None:
    assert effects_of(staged, safeguard, without=safeguard) > 1
