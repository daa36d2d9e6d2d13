"""Steps: done is done, a look before another try, and a person where nobody can look."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from runtime.errors import (
    CallRejected,
    CallTimeout,
    CannotTell,
    ConnectionLost,
    DatabaseUnavailable,
    DidNotHappen,
    DuplicateStepName,
    HandlerError,
    JobFailed,
    NotSent,
    Snooze,
    StepFailed,
)
from runtime.runs.calls import (
    AwaitQuiet,
    Call,
    Failure,
    Gather,
    HttpCall,
    Outcome,
    RecordStep,
    RunStep,
    Success,
    TransactionCall,
)
from runtime.runs.execution import CodeChanged, Execution, Failed, Finished, Perform, Undecided
from runtime.runs.failed_steps import failed_steps
from runtime.runs.journal import RecordedStep, StepStatus, error_record

WRITE = HttpCall("POST", "/create")
LOOK = HttpCall("GET", "/find")
OPEN = RecordedStep("create", StepStatus.STARTED)
UNKNOWN = CallTimeout("no answer", writes=True)
FOUND = {"id": 7}


async def write() -> Any:
    return await WRITE


async def look() -> Any:
    return await LOOK


def create(**options: Any) -> RunStep:
    return RunStep("create", write, **options)


def play(
    body: Callable[[], Any], answers: list[Any], *journal: RecordedStep
) -> tuple[Any, list[Any]]:
    """Answer the calls one after the other; how the run ended, and what it asked for."""
    execution = Execution(body, journal)
    effects, asked = execution.start(), []
    while effects:
        effect = effects.pop(0)
        assert isinstance(effect, Perform)
        asked.append(effect.call)
        effects += execution.deliver(effect.call_id, _outcome(effect.call, answers))
    assert not answers, "every answer was asked for"
    return execution.ended, asked


def _outcome(call: Call, answers: list[Any]) -> Outcome:
    if isinstance(call, RecordStep):
        return Success(json.loads(call.result or "null"))
    answer = answers.pop(0)
    return Failure(answer) if isinstance(answer, Exception) else Success(answer)


def play_step(step: RunStep, answers: list[Any], *journal: RecordedStep) -> tuple[Any, list[Any]]:
    async def body() -> Any:
        return await step

    return play(body, answers, *journal)


# --- done is done ---------------------------------------------------------------------------


def test_the_result_is_recorded_before_the_handler_goes_on() -> None:
    ended, asked = play_step(create(), [FOUND])
    assert ended == Finished(FOUND)
    assert asked == [WRITE, RecordStep("create", StepStatus.SUCCEEDED, '{"id": 7}')]


def test_a_recorded_result_is_returned_and_nothing_is_called() -> None:
    done = RecordedStep("create", StepStatus.SUCCEEDED, FOUND)
    assert play_step(create(), [], done) == (Finished(FOUND), [])


def test_a_recorded_failure_is_raised_again_and_nothing_is_called() -> None:
    record = error_record(CallRejected("no", status=404, writes=True))
    ended, asked = play_step(create(), [], RecordedStep("create", StepStatus.FAILED, error=record))
    assert isinstance(ended, Failed)
    assert isinstance(ended.error, CallRejected)
    assert (str(ended.error), ended.error.status) == ("no", 404)
    assert failed_steps(ended.error) == ("create",)
    assert asked == []


def test_the_live_run_receives_the_value_as_it_comes_back_from_the_record() -> None:
    async def pair() -> Any:
        return {"pair": (1, 2), 3: "three"}

    ended, _ = play_step(RunStep("pair", pair), [])
    assert ended == Finished({"pair": [1, 2], "3": "three"})


@pytest.mark.parametrize("reconcile", [None, look])
def test_a_write_whose_result_cannot_be_recorded_has_not_failed(reconcile: Any) -> None:
    """Else whoever retries the job would have it done twice."""

    async def wrong() -> Any:
        await WRITE
        return object()

    ended, asked = play_step(RunStep("create", wrong, reconcile), [FOUND])
    assert isinstance(ended, Undecided)
    assert isinstance(ended.error, HandlerError)
    assert asked == [WRITE]


def test_what_a_look_finds_and_cannot_be_recorded_has_not_failed_either() -> None:
    async def wrong() -> Any:
        await LOOK
        return object()

    ended, _ = play_step(create(reconcile=wrong), [True, FOUND], OPEN)
    assert isinstance(ended, Undecided)


def test_a_result_that_is_no_json_is_the_handlers_mistake() -> None:
    async def wrong() -> Any:
        return object()

    ended, asked = play_step(RunStep("wrong", wrong), [])
    assert isinstance(ended, Failed)
    assert isinstance(ended.error, HandlerError)
    assert "'wrong'" in str(ended.error)
    assert [one.status for one in asked] == [StepStatus.FAILED]


class OwnWords(JobFailed):
    """As a handler plugin may define it."""


@pytest.mark.parametrize(
    ("raised", "seen"),
    [(ValueError("x"), StepFailed), (OwnWords("x"), JobFailed), (JobFailed("x"), JobFailed)],
)
def test_the_live_run_and_its_replay_raise_the_same(
    raised: Exception, seen: type[JobFailed]
) -> None:
    async def breaks() -> None:
        raise raised

    live, (record,) = play_step(RunStep("breaks", breaks), [])
    replay, _ = play_step(
        RunStep("breaks", breaks), [], RecordedStep("breaks", StepStatus.FAILED, error=record.error)
    )
    assert isinstance(live, Failed)
    assert isinstance(replay, Failed)
    assert type(live.error) is type(replay.error) is seen
    assert str(live.error) == str(replay.error)
    assert failed_steps(live.error) == failed_steps(replay.error) == ("breaks",)


def test_a_snooze_in_a_step_records_nothing() -> None:
    async def later() -> None:
        raise Snooze(datetime(2026, 2, 1, tzinfo=UTC))

    assert play_step(RunStep("later", later), [])[1] == []


# --- unknown outcomes -----------------------------------------------------------------------


def test_what_a_look_finds_is_adopted() -> None:
    ended, asked = play_step(create(reconcile=look), [UNKNOWN, False, FOUND])
    assert ended == Finished(FOUND)
    assert asked[:3] == [WRITE, AwaitQuiet("create", settled=False), LOOK]
    assert asked[3].status is StepStatus.SUCCEEDED


def test_a_no_counts_only_once_nothing_is_under_way_any_more() -> None:
    ended, asked = play_step(create(reconcile=look), [UNKNOWN, False, None, True, None])
    assert asked[2:5] == [LOOK, AwaitQuiet("create", settled=True), LOOK]
    assert isinstance(ended.error, DidNotHappen)


def test_a_yes_after_waiting_counts() -> None:
    ended, _ = play_step(create(reconcile=look), [UNKNOWN, False, None, True, FOUND])
    assert ended == Finished(FOUND)


@pytest.mark.parametrize("status", [StepStatus.STARTED, StepStatus.UNKNOWN])
def test_an_open_step_of_a_former_run_is_looked_up_before_anything_is_sent(
    status: StepStatus,
) -> None:
    ended, asked = play_step(create(reconcile=look), [True, FOUND], RecordedStep("create", status))
    assert ended == Finished(FOUND)
    assert WRITE not in asked


def test_an_open_step_that_did_not_happen_is_done() -> None:
    ended, asked = play_step(create(reconcile=look), [True, None, False, None, FOUND], OPEN)
    assert ended == Finished(FOUND)
    assert asked.count(WRITE) == 1


@pytest.mark.parametrize("error", [NotSent("no route"), CallRejected("no", status=400)])
def test_what_surely_did_not_happen_is_not_looked_up(error: Exception) -> None:
    ended, asked = play_step(create(reconcile=look), [error])
    assert ended == Failed(error)
    assert LOOK not in asked


def test_a_repeatable_write_is_sent_again_without_a_look() -> None:
    ended, asked = play_step(create(repeatable=True), [FOUND], OPEN)
    assert ended == Finished(FOUND)
    assert asked[0] == WRITE


@pytest.mark.parametrize("journal", [(), (OPEN,)])
def test_a_write_that_declared_nothing_is_a_question_for_a_person(
    journal: tuple[RecordedStep, ...],
) -> None:
    ended, asked = play_step(create(), [] if journal else [UNKNOWN], *journal)
    assert ended == Undecided("create", None)
    assert not [one for one in asked if isinstance(one, RecordStep)], "it stays open"


@pytest.mark.parametrize("error", [CannotTell("hidden"), ConnectionLost("of the look")])
def test_a_look_that_does_not_answer_leaves_the_question_open(error: Exception) -> None:
    assert play_step(create(reconcile=look), [False, error], OPEN)[0] == Undecided("create", error)


def test_the_other_branches_end_before_the_question_is_asked() -> None:
    async def body() -> Any:
        return await Gather(create(), RunStep("look", look))

    ended, asked = play(body, [UNKNOWN, "seen"])
    assert ended == Undecided("create", None)
    assert RecordStep("look", StepStatus.SUCCEEDED, '"seen"') in asked


def test_a_step_that_fails_behind_its_write_is_looked_up() -> None:
    async def both() -> Any:
        await WRITE
        raise ValueError("cannot read the answer")

    ended, _ = play_step(RunStep("create", both, look), [{"odd": 1}, False, FOUND])
    assert ended == Finished(FOUND)

    ended, _ = play_step(RunStep("create", both, look), [{"odd": 1}, False, None, True, None])
    assert isinstance(ended.error, StepFailed), "nothing was done, so the step failed as it did"
    assert "cannot read the answer" in str(ended.error)


# --- names ----------------------------------------------------------------------------------


def test_a_bare_write_is_a_step_with_the_same_name_in_every_run() -> None:
    async def body() -> Any:
        return [await WRITE, *(await Gather(WRITE, write()))]

    _, asked = play(body, [1, 2, 3])
    names = [one.name for one in asked if isinstance(one, RecordStep)]
    assert len(set(names)) == 3
    journal = [RecordedStep(name, StepStatus.SUCCEEDED, name) for name in names]
    ended, again = play(body, [], *journal)
    assert (ended, again) == (Finished(names), [])


def test_a_name_used_twice_is_an_error_in_a_replay_too() -> None:
    async def body() -> Any:
        await create()
        await create()

    ended, _ = play(body, [], RecordedStep("create", StepStatus.SUCCEEDED, 1))
    assert isinstance(ended.error, DuplicateStepName)


@pytest.mark.parametrize("status", list(StepStatus))
def test_a_replay_that_does_not_ask_for_a_recorded_step_is_noticed(status: StepStatus) -> None:
    async def body() -> Any:
        return 1

    gone = RecordedStep("gone", status, error=error_record(JobFailed("x")))
    assert play(body, [], gone)[0] == CodeChanged(("gone",))


def test_what_is_inside_a_step_that_was_done_is_not_missed() -> None:
    async def outer() -> Any:
        return await RunStep("middle", create)

    journal = [
        RecordedStep("create", StepStatus.SUCCEEDED, 1, within="middle"),
        RecordedStep("middle", StepStatus.SUCCEEDED, 1, within="outer"),
        RecordedStep("outer", StepStatus.SUCCEEDED, 1),
    ]
    step = RunStep("outer", outer)
    assert play_step(step, [], *journal)[0] == Finished(1)
    stray = RecordedStep("stray", StepStatus.SUCCEEDED, 1, within="gone")
    assert play_step(step, [], *journal, stray)[0] == CodeChanged(("stray",))


def test_a_step_says_which_one_it_is_part_of() -> None:
    async def outer() -> Any:
        return await RunStep("outer", create)

    execution = Execution(outer)
    assert execution.start() == [Perform(1, WRITE, "create", "outer")]


# --- transactions ---------------------------------------------------------------------------


def test_a_transaction_records_itself() -> None:
    assert play_step(TransactionCall("store", print), [5]) == (  # type: ignore[arg-type]
        Finished(5),
        [TransactionCall("store", print)],
    )


def test_a_transaction_that_failed_is_recorded_so_that_a_replay_raises_it() -> None:
    _, asked = play_step(TransactionCall("store", print), [JobFailed("full")])  # type: ignore[arg-type]
    assert asked[1].status is StepStatus.FAILED


def test_where_the_database_went_away_nothing_is_written_over_what_may_be_committed() -> None:
    gone = DatabaseUnavailable("gone")
    ended, asked = play_step(TransactionCall("store", print), [gone])  # type: ignore[arg-type]
    assert ended == Failed(gone)
    assert asked == [TransactionCall("store", print)]
