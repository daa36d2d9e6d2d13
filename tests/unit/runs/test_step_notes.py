"""The notes of a run about its steps: their beginnings, and the times when writes are quiet."""

from datetime import UTC, datetime, timedelta

import pytest

from runtime.runs.calls import AwaitQuiet, HttpCall, RecordStep, WebSocketCall
from runtime.runs.execution import Perform
from runtime.runs.journal import RecordedStep, StepStatus
from runtime.runs.step_notes import StepNotes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
READ = HttpCall("GET", "/x")


def write(settles_within: timedelta) -> HttpCall:
    return HttpCall("POST", "/x", settles_within=settles_within)


def test_a_step_takes_as_long_as_its_first_call_is_ago_and_that_is_asked_once() -> None:
    notes = StepNotes((), NOW)
    notes.asked(Perform(1, READ, "look"), NOW)
    notes.asked(Perform(2, READ, "look"), NOW + SECOND)
    assert notes.took("look", NOW + 3 * SECOND) == 3 * SECOND
    assert notes.took("look", NOW + 3 * SECOND) == timedelta(0)


def test_a_step_begins_with_the_first_call_of_any_step_within_it() -> None:
    notes = StepNotes((), NOW)
    notes.asked(Perform(1, RecordStep("middle", StepStatus.SUCCEEDED), "middle", "outer"), NOW)
    assert notes.took("outer", NOW) == timedelta(0), "to write a step down does not begin it"
    notes.asked(Perform(2, READ, "inner", "middle"), NOW)
    for name in ("inner", "middle", "outer"):
        assert notes.took(name, NOW + SECOND) == SECOND


def test_a_call_of_no_step_is_not_noted() -> None:
    notes = StepNotes((), NOW)
    notes.asked(Perform(1, READ), NOW)
    assert notes.took("call-1", NOW + SECOND) == timedelta(0)


@pytest.mark.parametrize(
    ("call", "task_type"), [(READ, "http"), (WebSocketCall("PUBLISH"), "websocket")]
)
def test_it_is_remembered_how_a_step_is_carried_out(
    call: HttpCall | WebSocketCall, task_type: str
) -> None:
    notes = StepNotes((), NOW)
    notes.intends("create", call)
    assert notes.task_types == {"create": task_type}


def test_what_former_runs_left_open_is_quiet_so_long_after_this_run_began() -> None:
    left_open = RecordedStep(
        "create", StepStatus.STARTED, quiet_in=8 * SECOND, settled_in=38 * SECOND
    )
    done = RecordedStep("look", StepStatus.SUCCEEDED, quiet_in=9 * SECOND)
    notes = StepNotes((left_open, done), NOW)
    assert notes.quiet_at(AwaitQuiet("create", settled=False), NOW) == NOW + 8 * SECOND
    assert notes.quiet_at(AwaitQuiet("create", settled=True), NOW) == NOW + 38 * SECOND
    assert notes.quiet_at(AwaitQuiet("look", settled=True), NOW) == NOW


def test_a_write_that_was_answered_cannot_leave_any_more_and_settles_in_its_time() -> None:
    notes = StepNotes((), NOW)
    notes.write_answered("create", write(40 * SECOND), NOW + SECOND)
    assert notes.quiet_at(AwaitQuiet("create", settled=False), NOW) == NOW + SECOND
    assert notes.quiet_at(AwaitQuiet("create", settled=True), NOW) == NOW + 41 * SECOND


def test_of_several_writes_the_one_that_settles_last_counts() -> None:
    notes = StepNotes((), NOW)
    notes.write_answered("create", write(90 * SECOND), NOW)
    notes.write_answered("create", write(10 * SECOND), NOW + SECOND)
    assert notes.quiet_at(AwaitQuiet("create", settled=True), NOW) == NOW + 90 * SECOND
