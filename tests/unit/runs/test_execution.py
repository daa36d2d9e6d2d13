"""Execution: a coroutine is stepped by outcomes, and asks for calls."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.errors import CallRejected, DuplicateStepName, InvalidCall, JobFailed, Snooze
from runtime.runs.calls import (
    BlockingCall,
    Call,
    Failure,
    Gather,
    HttpCall,
    RecordStep,
    RunStep,
    Success,
    TransactionCall,
    WebSocketCall,
    as_duration,
)
from runtime.runs.execution import Effect, Execution, Failed, Finished, Perform, Snoozed
from runtime.runs.journal import StepStatus


def get(path: str) -> HttpCall:
    return HttpCall("GET", path)


def performed(effects: list[Effect]) -> dict[int, str]:
    return {
        one.call_id: one.call.path
        for one in effects
        if isinstance(one, Perform) and isinstance(one.call, HttpCall)
    }


def error_of(execution: Execution) -> BaseException:
    assert isinstance(execution.ended, Failed)
    return execution.ended.error


# --- calls and their outcomes ---------------------------------------------------------------


def test_a_call_goes_out_and_its_answer_comes_in() -> None:
    async def body() -> Any:
        first = await get("/1")
        second = await get(f"/{first}")
        return [first, second]

    execution = Execution(body)
    assert execution.start() == [Perform(1, get("/1"))]
    assert execution.deliver(1, Success("b")) == [Perform(2, get("/b"))]
    assert execution.ended is None
    assert execution.deliver(2, Success("c")) == []
    assert execution.ended == Finished(["b", "c"])


def test_a_failure_is_raised_at_the_await_and_may_be_caught() -> None:
    async def body() -> Any:
        try:
            await get("/gone")
        except CallRejected as rejected:
            return rejected.status

    execution = Execution(body)
    execution.start()
    execution.deliver(1, Failure(CallRejected("no", status=404)))
    assert execution.ended == Finished(404)


def test_a_failure_that_is_not_caught_ends_the_run() -> None:
    async def body() -> None:
        await get("/gone")

    execution = Execution(body)
    execution.start()
    rejected = CallRejected("no", status=404)
    execution.deliver(1, Failure(rejected))
    assert error_of(execution) is rejected


def test_a_call_is_a_value_that_can_be_awaited_again() -> None:
    async def body() -> Any:
        call = get("/again")
        return [await call, await call]

    execution = Execution(body)
    execution.start()
    execution.deliver(1, Success(1))
    execution.deliver(2, Success(2))
    assert execution.ended == Finished([1, 2])


@pytest.mark.parametrize("call_id", [1, 7])
def test_an_outcome_that_nobody_waits_for_is_ignored(call_id: int) -> None:
    async def body() -> Any:
        return await get("/1"), await get("/2")

    execution = Execution(body)
    execution.start()
    execution.deliver(1, Success("one"))
    assert execution.deliver(call_id, Success("once more")) == []
    ended = execution.ended
    assert ended is None
    execution.deliver(2, Success("two"))
    assert execution.ended == Finished(("one", "two"))
    assert execution.deliver(2, Success("late")) == []
    assert execution.ended == Finished(("one", "two"))


def test_a_handler_can_snooze() -> None:
    until = datetime(2026, 2, 1, tzinfo=UTC)

    async def body() -> None:
        raise Snooze(until, "closed on Sundays")

    execution = Execution(body)
    execution.start()
    assert execution.ended == Snoozed(until, "closed on Sundays")


def test_a_snooze_needs_a_time_zone() -> None:
    with pytest.raises(InvalidCall, match="time zone"):
        Snooze(datetime(2026, 2, 1))  # noqa: DTZ001


# --- gather ---------------------------------------------------------------------------------


def test_gather_sends_all_and_returns_results_in_the_order_given() -> None:
    async def body() -> Any:
        return await Gather(get("/a"), get("/b"), get("/c"))

    execution = Execution(body)
    assert performed(execution.start()) == {1: "/a", 2: "/b", 3: "/c"}
    for call_id in (3, 1, 2):
        assert execution.ended is None
        execution.deliver(call_id, Success(call_id))
    assert execution.ended == Finished([1, 2, 3])


def test_gather_waits_for_all_and_then_raises_the_first_failure_in_the_order_given() -> None:
    async def body() -> None:
        await Gather(get("/a"), get("/b"), get("/c"))

    execution = Execution(body)
    execution.start()
    first, second = JobFailed("a"), JobFailed("c")
    execution.deliver(3, Failure(second))
    execution.deliver(1, Failure(first))
    assert execution.ended is None
    execution.deliver(2, Success(None))
    assert error_of(execution) is first


def test_a_gather_of_nothing_is_an_empty_list() -> None:
    async def body() -> Any:
        return await Gather()

    execution = Execution(body)
    assert execution.start() == []
    assert execution.ended == Finished([])


def test_gathers_nest() -> None:
    async def pair(name: str) -> Any:
        return await Gather(get(f"/{name}1"), get(f"/{name}2"))

    async def body() -> Any:
        return await Gather(pair("a"), pair("b"), nothing())

    async def nothing() -> Any:
        return await Gather()

    execution = Execution(body)
    sent = performed(execution.start())
    assert sorted(sent.values()) == ["/a1", "/a2", "/b1", "/b2"]
    for call_id, path in sent.items():
        execution.deliver(call_id, Success(path))
    assert execution.ended == Finished([["/a1", "/a2"], ["/b1", "/b2"], []])


def test_ten_thousand_branches_are_no_burden() -> None:
    async def branch(number: int) -> int:
        await get("/x")
        return number

    async def body() -> Any:
        return sum(await Gather(*(branch(number) for number in range(10_000))))

    execution = Execution(body)
    sent = performed(execution.start())
    assert len(sent) == 10_000
    for call_id in sent:
        execution.deliver(call_id, Success(None))
    assert execution.ended == Finished(sum(range(10_000)))


def test_five_thousand_gathers_in_one_another_are_no_burden() -> None:
    async def nest(depth: int) -> int:
        if not depth:
            return int(await get("/leaf"))
        return int((await Gather(nest(depth - 1)))[0]) + 1

    execution = Execution(lambda: nest(5_000))
    execution.start()
    execution.deliver(1, Success(0))
    assert execution.ended == Finished(5_000)


@pytest.mark.parametrize("wrong", [None, 5, "text", lambda: None])
def test_gather_refuses_what_it_cannot_run_and_leaves_nothing_behind(wrong: Any) -> None:
    async def branch() -> None:
        await get("/x")

    async def body() -> None:
        await Gather(branch(), wrong, branch())

    execution = Execution(body)
    execution.start()
    assert isinstance(error_of(execution), InvalidCall)
    assert "gather takes calls and coroutines" in str(error_of(execution))


# --- steps ----------------------------------------------------------------------------------


def step(name: str) -> RunStep:
    return RunStep(name, lambda: get("/x"))


def through(execution: Execution) -> list[Call]:
    """Answer everything until the run ends; what it asked for."""
    asked: list[Call] = []
    effects = execution.start()
    while effects:
        effect = effects.pop(0)
        assert isinstance(effect, Perform)
        asked.append(effect.call)
        effects += execution.deliver(effect.call_id, Success(None))
    return asked


def test_a_step_begins_within_the_turn() -> None:
    async def body() -> Any:
        return await step("one")

    assert Execution(body).start() == [Perform(1, get("/x"), "one")]


@pytest.mark.parametrize(
    "again", [step("upload"), TransactionCall("upload", print)], ids=["step", "transaction"]
)
@pytest.mark.parametrize(
    "first", [step("upload"), TransactionCall("upload", print)], ids=["step", "transaction"]
)
def test_a_step_name_used_twice_in_a_run_is_an_error(first: Call, again: Call) -> None:
    async def body() -> None:
        await first
        await again

    execution = Execution(body)
    asked = through(execution)
    assert sum(not isinstance(call, RecordStep) for call in asked) == 1, "once, not twice"
    assert isinstance(error_of(execution), DuplicateStepName)
    assert "'upload'" in str(error_of(execution))


def test_two_branches_cannot_have_a_step_of_one_name() -> None:
    async def branch() -> Any:
        return await step("same")

    async def body() -> None:
        await Gather(branch(), branch())

    execution = Execution(body)
    assert through(execution) == [get("/x"), RecordStep("same", StepStatus.SUCCEEDED, "null")]
    assert isinstance(error_of(execution), DuplicateStepName)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, "5", object()])
def test_a_duration_that_is_none_is_refused(seconds: Any) -> None:
    with pytest.raises(InvalidCall, match="timeout"):
        as_duration(seconds, "timeout")


def test_a_duration_is_a_timedelta_or_seconds() -> None:
    assert as_duration(1.5, "timeout") == timedelta(seconds=1.5)
    assert as_duration(timedelta(minutes=2), "timeout") == timedelta(minutes=2)
    assert as_duration(None, "timeout") is None


@pytest.mark.parametrize(
    ("call", "writes"),
    [
        (get("/x"), False),
        (HttpCall("head", "/x"), False),
        (HttpCall("POST", "/x"), True),
        (HttpCall("delete", "/x"), True),
        (WebSocketCall("VINTED_PUBLISH"), True),
        (WebSocketCall("VINTED_SYNC", reads=True), False),
        (TransactionCall("store", print), True),
        (BlockingCall(print), False),
    ],
)
def test_what_may_change_something_outside_is_a_write(call: Call, writes: bool) -> None:
    assert call.writes is writes
