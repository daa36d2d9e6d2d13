"""One run: what it has outstanding, and what a cancellation and a pause do to that."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.errors import JobCancelled
from runtime.runs.calls import (
    BlockingCall,
    Call,
    Gather,
    HttpCall,
    RecordStep,
    SleepCall,
    Success,
    TransactionCall,
    WebSocketCall,
)
from runtime.runs.execution import Cancelled, Effect, Perform, Withdraw
from runtime.runs.job import Job, Shop
from runtime.runs.journal import StepStatus
from runtime.runs.run import OutstandingCall, Run

NOW = datetime(2026, 1, 1, tzinfo=UTC)
READ = HttpCall("GET", "/x")
WRITE = HttpCall("POST", "/x")
RECORD = RecordStep("create", StepStatus.SUCCEEDED)
JOB = Job(
    id=1, fence=3, marketplace="x", action="sync", user_id=7, shop=Shop(2, "2"), priority=3,
    retry_count=0, max_retries=3, rate_limit=timedelta(0), timeout=timedelta(seconds=30),
    created_at=NOW,
)  # fmt: skip


def run_of(execute: Callable[[Job], Awaitable[Any]]) -> Run[OutstandingCall]:
    """A run that has begun; its calls are outstanding, and none has left."""
    run: Run[OutstandingCall] = Run.of(JOB, execute, NOW)
    take(run, run.execution.start())
    return run


def take(run: Run[OutstandingCall], effects: Sequence[Effect]) -> None:
    for effect in effects:
        match effect:
            case Perform():
                run.calls[effect.call_id] = OutstandingCall(effect)
            case Withdraw(call_id):
                del run.calls[call_id]


def answer(run: Run[OutstandingCall], call_id: int) -> None:
    del run.calls[call_id]
    take(run, run.execution.deliver(call_id, Success(None)))


def outstanding(call: Call, *, left: bool, entry: Any = None) -> OutstandingCall:
    return OutstandingCall(Perform(1, call, "create"), left, entry)


@pytest.mark.parametrize(
    ("call", "irrevocable"),
    [
        (WRITE, True),
        (WebSocketCall("PUBLISH"), True),
        (BlockingCall(int), True),
        (TransactionCall("store", int), True),
        (READ, False),
        (WebSocketCall("LOOK", reads=True), False),
        (SleepCall(timedelta(seconds=1)), False),
    ],
)
def test_what_has_left_and_may_change_something_cannot_be_taken_back(
    call: Call, irrevocable: bool
) -> None:
    assert outstanding(call, left=True).is_irrevocable is irrevocable
    assert outstanding(call, left=True).is_unfinished is irrevocable
    assert not outstanding(call, left=False).is_irrevocable
    assert not outstanding(call, left=False).is_unfinished


def test_what_is_being_written_down_is_unfinished() -> None:
    assert outstanding(RECORD, left=False).is_unfinished
    assert outstanding(WRITE, left=False, entry="its intent").is_unfinished


async def two_writes(_job: Job) -> None:
    await Gather(WRITE, WRITE)


def test_a_cancellation_waits_for_what_has_left_and_takes_the_rest_back() -> None:
    run = run_of(two_writes)
    run.calls[1].left = True
    take(run, run.cancel())
    assert run.calls.keys() == {1}
    unwinding = run.is_unwinding
    assert not unwinding, "the answer of the first write may still come"
    take(run, run.execution.deliver(1, Success(None)))
    del run.calls[1]
    assert run.is_unwinding
    (record,) = run.calls.values()
    assert isinstance(record.call, RecordStep)
    answer(run, record.effect.call_id)
    assert run.execution.ended == Cancelled()


def test_a_handler_that_is_cancelled_may_take_its_time_once_it_was_told() -> None:
    async def tidies_up(_job: Job) -> None:
        try:
            await READ
        finally:
            await READ

    run = run_of(tidies_up)
    take(run, run.cancel())
    assert (run.is_interrupted, run.is_unwinding, run.execution.ended) == (True, True, None)


def test_a_pause_throws_nothing_in_and_takes_back_what_has_not_left() -> None:
    run = run_of(two_writes)
    run.calls[1].left = True
    assert run.pause() == [2]
    del run.calls[2]
    assert not run.is_parked
    assert (run.is_interrupted, run.is_unwinding, run.execution.told) == (True, False, False)


def test_a_pausing_run_is_parked_once_what_has_left_is_written_down() -> None:
    run = run_of(two_writes)
    run.calls[1].left = True
    del run.calls[run.pause()[0]]
    answer(run, 1)
    (record,) = run.calls.values()
    assert isinstance(record.call, RecordStep)
    assert not run.is_parked
    answer(run, record.effect.call_id)
    assert run.is_parked


def test_a_pausing_run_sends_nothing_more_but_records() -> None:
    run = run_of(two_writes)
    assert not run.keeps_back(WRITE)
    run.pause()
    assert run.keeps_back(WRITE)
    assert run.keeps_back(READ)
    assert not run.keeps_back(RECORD)


def test_a_cancellation_wins_over_a_pause() -> None:
    async def waits(_job: Job) -> None:
        with pytest.raises(JobCancelled):
            await READ

    run = run_of(waits)
    run.pause()
    take(run, run.cancel())
    assert not run.pausing
    assert run.execution.ended == Cancelled()
