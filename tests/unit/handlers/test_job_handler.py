"""BaseJobHandler: what a handler asks for becomes a call, or is refused at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime import BaseJobHandler, Job, Shop
from runtime.errors import CallRejected, DuplicateStepName, InvalidCall
from runtime.runs.calls import (
    BlockingCall,
    Failure,
    HttpCall,
    ProgressCall,
    RecordStep,
    SleepCall,
    Success,
    TransactionCall,
    WebSocketCall,
)
from runtime.runs.execution import Execution, Failed, Finished, Perform
from runtime.runs.failed_steps import failed_step
from runtime.runs.journal import StepStatus

JOB = Job(
    id=12, fence=4, marketplace="vinted", action="sync", user_id=7, shop=Shop(2, "123"),
    priority=3, retry_count=0, max_retries=3, rate_limit=timedelta(0),
    timeout=timedelta(seconds=60), created_at=datetime(2026, 1, 9, tzinfo=UTC),
)  # fmt: skip
HANDLER = BaseJobHandler(JOB)
GET = HttpCall("GET", "/x")


def test_a_handler_knows_its_job() -> None:
    assert (HANDLER.job_id, HANDLER.user_id, HANDLER.shop_id) == (12, 7, 2)
    assert HANDLER.shop.external_id == "123"
    assert JOB.key == "sync_vinted"


def test_each_method_makes_the_call_of_its_name() -> None:
    assert HANDLER.call_websocket("LOOK") == WebSocketCall("LOOK", {}, None, reads=False)
    assert HANDLER.call_websocket("LOOK", {"page": 1}, timeout=5, reads=True) == WebSocketCall(
        "LOOK", {"page": 1}, timedelta(seconds=5), reads=True
    )
    assert HANDLER.call_http("post", "/x", json={"a": 1}, timeout=2.5) == HttpCall(
        "POST", "/x", json={"a": 1}, timeout=timedelta(seconds=2.5)
    )
    assert HANDLER.sleep(60) == SleepCall(timedelta(seconds=60))
    assert HANDLER.run_blocking(int, "5") == BlockingCall(int, ("5",))
    assert HANDLER.transaction("store", int, 5) == TransactionCall("store", int, (5,))
    assert HANDLER.progress(1, 2, "half") == ProgressCall(1, 2, "half")
    assert HANDLER.gather(GET, GET).branches == (GET, GET)


@pytest.mark.parametrize(
    "duration", [0, -1, 60.001, timedelta(minutes=2), float("nan"), float("inf"), None, "5"]
)
def test_a_sleep_is_short_and_anything_longer_is_refused(duration: Any) -> None:
    with pytest.raises(InvalidCall, match="sleep"):
        HANDLER.sleep(duration)


@pytest.mark.parametrize("timeout", [0, -5, "soon", True])
def test_a_timeout_is_positive(timeout: Any) -> None:
    with pytest.raises(InvalidCall, match="timeout"):
        HANDLER.call_http("GET", "/x", timeout=timeout)
    with pytest.raises(InvalidCall, match="timeout"):
        HANDLER.call_websocket("LOOK", timeout=timeout)


def test_a_handler_without_execute_says_what_is_missing() -> None:
    execution = Execution(lambda: HANDLER.execute(JOB))
    execution.start()
    assert isinstance(execution.ended, Failed)
    assert "async def execute" in str(execution.ended.error)


@pytest.mark.parametrize("kind", ["call", "function", "async function"])
def test_a_step_is_a_call_or_a_function_that_makes_one(kind: str) -> None:
    async def later() -> Any:
        return await GET

    step: Any = {"call": GET, "function": lambda: GET, "async function": later}[kind]
    execution = Execution(lambda: HANDLER.step("look", step))
    assert execution.start() == [Perform(1, GET, "look")]
    record = RecordStep("look", StepStatus.SUCCEEDED, '"seen"')
    assert execution.deliver(1, Success("seen")) == [Perform(2, record, "look")]
    execution.deliver(2, Success("seen"))
    assert execution.ended == Finished("seen")


def test_a_step_of_a_gather_is_one_step() -> None:
    execution = Execution(lambda: HANDLER.step("look", lambda: HANDLER.gather(GET, GET)))
    assert len(execution.start()) == 2
    execution.deliver(2, Success("b"))
    (record,) = execution.deliver(1, Success("a"))
    assert isinstance(record, Perform)
    assert record.call == RecordStep("look", StepStatus.SUCCEEDED, '["a", "b"]')
    execution.deliver(3, Success(["a", "b"]))
    assert execution.ended == Finished(["a", "b"])


def test_a_failure_names_the_innermost_step_it_arose_in() -> None:
    async def inner() -> Any:
        return await HANDLER.step("inner", GET)

    execution = Execution(lambda: HANDLER.step("outer", inner))
    execution.start()
    execution.deliver(1, Failure(CallRejected("no", status=400)))
    for call_id, name in ((2, "inner"), (3, "outer")):
        assert execution.ended is None, f"{name} is recorded first"
        execution.deliver(call_id, Success(None))
    assert isinstance(execution.ended, Failed)
    assert failed_step(execution.ended.error) == "inner"


def test_a_step_name_is_used_once_in_a_run_and_nothing_is_called_for_the_second() -> None:
    async def body() -> None:
        await HANDLER.step("look", GET)
        await HANDLER.step("look", GET)

    execution = Execution(body)
    execution.start()
    execution.deliver(1, Success(None))
    assert execution.deliver(2, Success(None)) == []
    assert isinstance(execution.ended, Failed)
    assert isinstance(execution.ended.error, DuplicateStepName)
