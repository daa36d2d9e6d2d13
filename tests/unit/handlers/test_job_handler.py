"""BaseJobHandler: what a handler asks for becomes a call, or is refused at once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime import BaseJobHandler, Job, Shop
from runtime.errors import CallRejected, DuplicateStepName, InvalidCall
from runtime.handlers.job_handler import execution_of
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
from runtime.runs.journal import RecordedStep, StepStatus

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


@pytest.mark.parametrize("kind", ["coroutine", "gather", "value"])
def test_a_step_that_was_given_no_function_is_refused_with_the_remedy(kind: str) -> None:
    async def helper() -> Any:
        return await GET

    async def body() -> Any:
        makes: dict[str, Callable[[], Any]] = {
            "coroutine": helper, "gather": lambda: HANDLER.gather(helper()), "value": lambda: 5,
        }  # fmt: skip
        given: Any = makes[kind]()
        await HANDLER.step("look", given)

    execution = Execution(body)
    assert execution.start() == [], "nothing is called"
    assert isinstance(execution.ended, Failed)
    assert isinstance(execution.ended.error, InvalidCall)
    assert "lambda: self.helper(argument)" in str(execution.ended.error)


def test_a_look_that_is_a_coroutine_is_refused_before_the_write_leaves() -> None:
    async def look() -> Any:
        return await GET

    async def body() -> Any:
        wrong: Any = look()
        await HANDLER.step("write", HttpCall("POST", "/x"), reconcile=wrong)

    execution = Execution(body)
    assert execution.start() == []
    assert isinstance(execution.ended, Failed)
    assert "the reconcile of step 'write'" in str(execution.ended.error)


def ended(execute: Any) -> Any:
    """Return how a handler ends whose every call is answered with null."""
    handler = type("Forgetful", (BaseJobHandler,), {"execute": execute})(JOB)
    execution = Execution(lambda: execution_of(handler))
    effects = execution.start()
    while execution.ended is None:
        (effect,) = effects
        effects = execution.deliver(effect.call_id, Success(None))
    return execution.ended


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda self: self.call_http("POST", "/x"), "the call POST /x"),
        (lambda self: self.gather(self.call_websocket("LIST")), "the command LIST"),
        (lambda self: self.transaction("store", int), "the transaction 'store'"),
        (lambda self: self.run_blocking(int), "the BlockingCall"),
    ],
    ids=["request", "gathered command", "transaction", "blocking function"],
)
def test_a_call_that_was_made_and_never_awaited_fails_the_job(make: Any, named: str) -> None:
    async def execute(self: Any, job: Job) -> Any:
        await self.sleep(1)
        make(self)
        return {}

    end = ended(execute)
    assert isinstance(end, Failed)
    assert isinstance(end.error, InvalidCall)
    assert str(end.error).startswith(f"{named} was made and never awaited")


def test_a_read_that_was_never_awaited_is_logged_and_fails_nothing() -> None:
    async def execute(self: Any, job: Job) -> Any:
        self.call_http("GET", "/x")
        return {}

    with capture_logs() as logs:
        assert ended(execute) == Finished({})
    assert [one["call"] for one in logs] == ["the call GET /x"]


def test_a_call_of_a_step_that_a_former_run_did_counts_as_used() -> None:
    async def execute(self: Any, job: Job) -> Any:
        held = self.call_http("POST", "/held")
        await self.step("given", self.call_http("POST", "/given"))
        await self.step("held", lambda: held)
        return {}

    handler = type("Thorough", (BaseJobHandler,), {"execute": execute})(JOB)
    done = [RecordedStep(name, StepStatus.SUCCEEDED, None) for name in ("given", "held")]
    execution = Execution(lambda: execution_of(handler), done)
    assert execution.start() == []
    assert execution.ended == Finished({})
