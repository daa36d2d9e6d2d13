"""Execution: cancelling throws in once, dropping throws in nothing."""

import subprocess
import sys
from typing import Any

import pytest

from runtime.errors import CallTimeout, HandlerError, JobCancelled
from runtime.runs.calls import Failure, Gather, HttpCall, Success
from runtime.runs.execution import Cancelled, Effect, Execution, Failed, Finished, Perform, Withdraw


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


def test_cancelling_is_thrown_in_at_the_await_and_finally_may_still_call() -> None:
    seen: list[str] = []

    async def body() -> None:
        try:
            await get("/work")
        except JobCancelled:
            seen.append("cancelled")
            raise
        finally:
            await get("/tidy")
            await get("/up")
            seen.append("tidied up")

    execution = Execution(body)
    execution.start()
    assert execution.cancel() == [Withdraw(1), Perform(2, get("/tidy"))]
    assert execution.told
    assert execution.deliver(1, Success("late")) == []
    execution.deliver(2, Success(None))
    execution.deliver(3, Success(None))
    assert seen == ["cancelled", "tidied up"]
    assert execution.ended == Cancelled()


def test_what_has_left_and_cannot_be_taken_back_is_answered_first() -> None:
    seen: list[Any] = []

    async def body() -> None:
        seen.append(await get("/write"))
        await get("/more")

    execution = Execution(body)
    execution.start()
    assert execution.cancel(must_finish={1}) == []
    assert not execution.told
    assert execution.deliver(1, Success("written")) == []
    assert seen == ["written"]
    assert execution.ended == Cancelled()


def test_a_job_that_ends_before_its_next_await_is_not_cancelled() -> None:
    async def body() -> Any:
        return await get("/write")

    execution = Execution(body)
    execution.start()
    execution.cancel(must_finish={1})
    execution.deliver(1, Success("done"))
    assert execution.ended == Finished("done")


def test_a_cancelled_write_whose_outcome_is_unknown_is_not_passed_over() -> None:
    async def body() -> None:
        await get("/write")

    execution = Execution(body)
    execution.start()
    execution.cancel(must_finish={1})
    unknown = CallTimeout("no answer", writes=True)
    execution.deliver(1, Failure(unknown))
    assert error_of(execution) is unknown


def test_cancelling_twice_is_cancelling_once() -> None:
    thrown: list[str] = []

    async def body() -> None:
        try:
            await get("/work")
        except JobCancelled:
            thrown.append("in work")
        try:
            await get("/tidy")
        except JobCancelled:
            thrown.append("in tidy")

    execution = Execution(body)
    execution.start()
    execution.cancel()
    assert execution.cancel() == []
    execution.deliver(2, Success(None))
    assert thrown == ["in work"]
    assert execution.ended == Cancelled()


def test_every_branch_is_told_once_and_the_parent_through_them() -> None:
    told: list[str] = []

    async def branch(name: str) -> None:
        try:
            await get(f"/{name}")
        except JobCancelled:
            told.append(name)
            raise

    async def body() -> None:
        try:
            await Gather(branch("a"), branch("b"))
        except JobCancelled:
            told.append("parent")
            raise
        finally:
            await Gather(get("/tidy"), get("/up"))
            told.append("tidied up")

    execution = Execution(body)
    execution.start()
    sent = performed(execution.cancel())
    assert list(sent.values()) == ["/tidy", "/up"]
    for call_id in sent:
        execution.deliver(call_id, Success(None))
    assert told == ["a", "b", "parent", "tidied up"]
    assert execution.ended == Cancelled()


@pytest.mark.parametrize("last", ["the write", "the one that was told"])
def test_a_parent_whose_branch_was_told_is_not_told_again(last: str) -> None:
    told: list[str] = []

    async def tidying() -> None:
        try:
            await get("/told")
        finally:
            await get("/tidy branch")

    async def body() -> None:
        try:
            await Gather(tidying(), get("/write"))
        except JobCancelled:
            told.append("parent")
            raise
        finally:
            told.append(await get("/tidy parent"))

    execution = Execution(body)
    execution.start()
    assert execution.cancel(must_finish={2}) == [Withdraw(1), Perform(3, get("/tidy branch"))]
    order = [3, 2] if last == "the write" else [2, 3]
    effects = [effect for call_id in order for effect in execution.deliver(call_id, Success(None))]
    assert effects == [Perform(4, get("/tidy parent"))]
    execution.deliver(4, Success("tidied up"))
    assert told == ["parent", "tidied up"]
    assert execution.ended == Cancelled()


def test_a_cancellation_comes_before_the_failure_of_another_branch() -> None:
    seen: list[str] = []

    async def body() -> None:
        try:
            await Gather(get("/fails"), get("/waits"))
        except JobCancelled:
            seen.append("cancelled")
            await get("/tidy")
            seen.append("tidied up")

    execution = Execution(body)
    execution.start()
    execution.deliver(1, Failure(ValueError()))
    assert performed(execution.cancel()) == {3: "/tidy"}
    execution.deliver(3, Success(None))
    assert seen == ["cancelled", "tidied up"]


def test_a_parent_whose_branches_kept_it_to_themselves_is_told_at_its_own_await() -> None:
    told: list[str] = []

    async def swallowing() -> None:
        try:
            await get("/x")
        except JobCancelled:
            told.append("branch")

    async def body() -> None:
        await Gather(swallowing(), swallowing())
        try:
            await get("/never sent")
        except JobCancelled:
            told.append("parent")
            raise

    execution = Execution(body)
    execution.start()
    assert performed(execution.cancel()) == {}
    assert told == ["branch", "branch", "parent"]
    assert execution.ended == Cancelled()


def test_a_gather_that_is_not_reached_any_more_leaves_nothing_behind() -> None:
    async def branch() -> None:
        await get("/x")

    async def body() -> None:
        await get("/write")
        await Gather(branch(), branch())

    execution = Execution(body)
    execution.start()
    execution.cancel(must_finish={1})
    execution.deliver(1, Success(None))
    assert execution.ended == Cancelled()


def test_cancelling_after_the_end_changes_nothing() -> None:
    async def body() -> str:
        return "done"

    execution = Execution(body)
    execution.start()
    assert execution.cancel() == []
    assert execution.ended == Finished("done")


def test_a_handler_does_not_cancel_its_own_job() -> None:
    async def body() -> None:
        raise JobCancelled

    execution = Execution(body)
    execution.start()
    assert isinstance(error_of(execution), HandlerError)


# --- dropping -------------------------------------------------------------------------------

DROPPED_PROGRAM = """
import gc
from runtime.runs.calls import Gather, HttpCall
from runtime.runs.execution import Execution

call = HttpCall("GET", "/x")

async def branch(name):
    try:
        await call
    finally:
        print(name)
        await call

async def nested():
    try:
        await Gather(branch("leaf"), branch("leaf"))
    finally:
        print("parent")

async def body():
    try:
        await Gather(branch("branch"), nested())
    finally:
        print("root")

execution = Execution(body)
execution.start()
execution.drop()
del execution
gc.collect()
print("the interpreter ends")
"""


def test_into_a_dropped_run_nothing_is_thrown_not_even_when_the_process_ends() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", DROPPED_PROGRAM],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert ended.stdout == "the interpreter ends\n"
    assert ended.stderr == ""


def test_a_dropped_run_takes_no_more_outcomes() -> None:
    async def body() -> None:
        await get("/x")
        raise AssertionError("went on")

    execution = Execution(body)
    execution.start()
    execution.drop()
    assert execution.deliver(1, Success(None)) == []
    assert execution.cancel() == []
    assert execution.ended is None
