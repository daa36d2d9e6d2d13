"""Execution: what a handler must not do ends its own job only."""

import asyncio
import threading
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

import pykka
import pytest

from runtime.errors import ForeignAwait, HandlerError
from runtime.runs.calls import Gather, HttpCall, Success
from runtime.runs.execution import Effect, Execution, Failed, Perform, Withdraw

Body = Callable[[], Coroutine[Any, Any, Any]]


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


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), ValueError()]
)
def test_whatever_a_handler_raises_ends_its_own_job_only(error: BaseException) -> None:
    async def body() -> None:
        await get("/x")
        raise error

    execution = Execution(body)
    execution.start()
    execution.deliver(1, Success(None))
    assert error_of(execution) is error


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ValueError()])
def test_whatever_making_a_handler_raises_ends_its_own_job_only(error: BaseException) -> None:
    def make() -> Any:
        raise error

    execution = Execution(make)
    assert execution.start() == []
    assert error_of(execution) is error


@types.coroutine
def yielding(thing: object) -> Generator[object, None, None]:
    yield thing


async def await_sleep_0() -> None:
    await asyncio.sleep(0)


async def await_sleep() -> None:
    await asyncio.sleep(1)


async def await_asyncio_future() -> None:
    await FUTURES.create_future()


async def await_pykka_future() -> None:
    await pykka.ThreadingFuture[None]()


async def await_asyncio_primitive() -> None:
    async with asyncio.timeout(1):
        await get("/x")


async def await_generator() -> None:
    numbers = (number for number in range(3))
    await numbers  # type: ignore[misc]


async def await_something_yielded() -> None:
    await yielding("a stranger")


async def await_nothing() -> None:
    await None  # type: ignore[misc]


class Futures:
    """A loop that is not running, which is all that a handler could get hold of."""

    def create_future(self) -> asyncio.Future[None]:
        loop = asyncio.new_event_loop()
        try:
            return loop.create_future()
        finally:
            loop.close()


FUTURES = Futures()


@pytest.mark.parametrize(
    "body",
    [
        await_sleep_0, await_sleep, await_asyncio_future, await_pykka_future,
        await_asyncio_primitive, await_generator, await_something_yielded, await_nothing,
    ],
)  # fmt: skip
def test_awaiting_anything_but_a_call_fails_the_job_and_never_blocks(body: Body) -> None:
    execution = Execution(body)
    stepper = threading.Thread(target=execution.start, daemon=True)
    stepper.start()
    stepper.join(5)
    assert not stepper.is_alive()
    assert isinstance(error_of(execution), ForeignAwait)
    assert "await self.call_http" in str(error_of(execution))


def test_a_foreign_await_takes_back_what_left_and_keeps_back_what_did_not() -> None:
    async def early() -> None:
        await get("/early")

    async def stranger() -> None:
        await get("/before")
        await Gather(get("/never sent"), await_something_yielded(), early())

    async def body() -> None:
        await Gather(early(), stranger())

    execution = Execution(body)
    assert performed(execution.start()) == {1: "/early", 2: "/before"}
    assert execution.deliver(2, Success(None)) == [Withdraw(1)]
    assert isinstance(error_of(execution), HandlerError)
    assert execution.deliver(1, Success(None)) == []


def test_execute_must_be_async() -> None:
    execution = Execution(lambda: {"success": True})  # type: ignore[arg-type, return-value]
    assert execution.start() == []
    assert isinstance(error_of(execution), HandlerError)
    assert "async def" in str(error_of(execution))
