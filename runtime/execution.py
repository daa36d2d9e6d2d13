"""Steps one handler coroutine: outcomes in, effects out.

No threads, no actors, no I/O, no clock. Whoever owns an :class:`Execution` carries out the
effects and delivers one outcome for each :class:`Perform`, in any order and at any time;
it decides by itself how many of the calls are in flight.
"""

import ctypes
import inspect
import re
from collections import deque
from collections.abc import Awaitable, Callable, Container, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runtime.calls import BeginStep, Call, Failure, Gather, Outcome, Success
from runtime.errors import (
    DuplicateStepName,
    ForeignAwait,
    HandlerError,
    JobCancelled,
    Snooze,
)


@dataclass(frozen=True, slots=True)
class Perform:
    """Carry out the call and deliver its outcome under this id."""

    call_id: int
    call: Call


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Nobody waits for this call any more; its outcome, if it comes, is ignored."""

    call_id: int


Effect = Perform | Withdraw


@dataclass(frozen=True, slots=True)
class Finished:
    """The coroutine returned."""

    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The coroutine raised."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The coroutine asked to be run again later."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The coroutine ended after ``JobCancelled`` was thrown into it."""


End = Finished | Failed | Snoozed | Cancelled

_FOREIGN = re.compile(
    r"no (running|current) event loop|async context"
    r"|can't be used in 'await' expression|can't be awaited"
)
# What other event loops, and Python itself, say of an await that cannot work here.


class _Fiber:
    """One branch: the handler's own coroutine, or one branch of a gather."""

    __slots__ = ("coroutine", "group", "index", "told")

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], group: "_Group | None" = None, index: int = 0
    ) -> None:
        self.coroutine = coroutine
        self.group = group
        self.index = index
        self.told = False
        """Whether JobCancelled was thrown into this branch."""

    def advance(self, outcome: Outcome | None, thrown: BaseException | None) -> Any:
        if thrown is not None:
            return self.coroutine.throw(thrown)
        return self.coroutine.send(outcome)


class _Group:
    """The branches of one gather, and the branch that waits for them."""

    __slots__ = ("missing", "outcomes", "parent")

    def __init__(self, parent: _Fiber, size: int) -> None:
        self.parent = parent
        self.outcomes: list[Outcome | None] = [None] * size
        self.missing = size

    def collect(self) -> Outcome:
        """The results, or the first failure; a cancellation comes before other failures."""
        failures = [one for one in self.outcomes if isinstance(one, Failure)]
        for failure in failures:
            if isinstance(failure.error, JobCancelled):
                return failure
        if failures:
            return failures[0]
        return Success([one.value for one in self.outcomes if isinstance(one, Success)])


class Execution:
    """One run of one handler.

    Args:
        make: makes the handler's coroutine; called by :meth:`start`.

    Attributes:
        ended: how the run ended, or None while it goes on.
        cancelling: a cancellation was asked for.
        told: ``JobCancelled`` was thrown in.
    """

    def __init__(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._make = make
        self._waiting: dict[int, _Fiber] = {}
        self._ready: deque[tuple[_Fiber, Outcome | None, BaseException | None]] = deque()
        self._effects: list[Effect] = []
        self._step_names: set[str] = set()
        self._next_call_id = 1
        self.told = False
        self.ended: End | None = None
        self.cancelling = False

    def start(self) -> list[Effect]:
        """Run to the first calls."""
        try:
            coroutine = self._make()
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its outcome
            self.ended = Failed(error)
            return []
        if not inspect.iscoroutine(coroutine):
            self.ended = Failed(
                HandlerError(f"execute returned {coroutine!r}: define it with `async def`")
            )
            return []
        self._ready.append((_Fiber(coroutine), None, None))
        return self._run()

    def deliver(self, call_id: int, outcome: Outcome) -> list[Effect]:
        """Send an outcome in; ignored where nobody waits for it."""
        fiber = self._waiting.pop(call_id, None)
        if fiber is None or self.ended is not None:
            return []
        self._ready.append((fiber, outcome, None))
        return self._run()

    def cancel(self, must_finish: Container[int] = ()) -> list[Effect]:
        """Throw ``JobCancelled`` into every branch at its next await.

        Args:
            must_finish: ids of calls that have left and cannot be taken back; their branches
                get the outcome first. All other outstanding calls are withdrawn.
        """
        if self.ended is not None or self.cancelling:
            return []
        self.cancelling = True
        for call_id in [one for one in self._waiting if one not in must_finish]:
            fiber = self._waiting.pop(call_id)
            self._effects.append(Withdraw(call_id))
            self._ready.append((fiber, None, self._tell(fiber)))
        return self._run()

    def drop(self) -> None:
        """Leave the run where it stands, without throwing anything in."""
        suspended = [*self._waiting.values(), *(fiber for fiber, _, _ in self._ready)]
        kept: set[int] = set()
        for leaf in suspended:
            fiber: _Fiber | None = leaf
            while fiber is not None and id(fiber) not in kept:
                kept.add(id(fiber))
                _freeze(fiber.coroutine)
                fiber = fiber.group.parent if fiber.group is not None else None
        self._waiting.clear()
        self._ready.clear()

    def _run(self) -> list[Effect]:
        while self._ready and self.ended is None:
            self._turn(*self._ready.popleft())
        effects, self._effects = self._effects, []
        return effects

    def _turn(self, fiber: _Fiber, outcome: Outcome | None, thrown: BaseException | None) -> None:
        try:
            yielded = fiber.advance(outcome, thrown)
        except StopIteration as stop:
            self._finish(fiber, Success(stop.value))
        except BaseException as error:  # noqa: BLE001 - SystemExit of a handler ends its job only
            self._finish(fiber, Failure(error))
        else:
            self._answer(fiber, yielded)

    def _answer(self, fiber: _Fiber, yielded: object) -> None:
        if not isinstance(yielded, Call | Gather):
            self._abandon(fiber, ForeignAwait(yielded))
        elif self.cancelling and not fiber.told:
            if isinstance(yielded, Gather):
                yielded.close()
            self._ready.append((fiber, None, self._tell(fiber)))
        elif isinstance(yielded, BeginStep):
            self._ready.append((fiber, self._begin_step(yielded.name), None))
        elif isinstance(yielded, Gather):
            self._fork(fiber, yielded)
        else:
            self._perform(fiber, yielded)

    def _perform(self, fiber: _Fiber, call: Call) -> None:
        name = getattr(call, "name", None)
        if name is not None and isinstance(begun := self._begin_step(name), Failure):
            self._ready.append((fiber, begun, None))
            return
        call_id = self._next_call_id
        self._next_call_id += 1
        self._waiting[call_id] = fiber
        self._effects.append(Perform(call_id, call))

    def _begin_step(self, name: str) -> Outcome:
        if name in self._step_names:
            return Failure(DuplicateStepName(name))
        self._step_names.add(name)
        return Success(None)

    def _fork(self, parent: _Fiber, gather: Gather) -> None:
        group = _Group(parent, len(gather.branches))
        if not gather.branches:
            self._ready.append((parent, Success([]), None))
        for index, branch in enumerate(gather.branches):
            coroutine = _awaiting(branch) if isinstance(branch, Call) else branch
            fiber = _Fiber(coroutine, group, index)
            fiber.told = parent.told
            self._ready.append((fiber, None, None))

    def _finish(self, fiber: _Fiber, outcome: Outcome) -> None:
        group = fiber.group
        if group is None:
            self.ended = self._end(outcome)
            return
        group.outcomes[fiber.index] = outcome
        group.missing -= 1
        if not group.missing:
            collected = group.collect()
            if isinstance(collected, Failure) and isinstance(collected.error, JobCancelled):
                group.parent.told = self.told
            self._ready.append((group.parent, collected, None))

    def _end(self, outcome: Outcome) -> End:
        if self.told:
            return Cancelled()
        if isinstance(outcome, Success):
            return Finished(outcome.value)
        error = outcome.error
        if isinstance(error, Snooze):
            return Snoozed(error.until, error.reason)
        if isinstance(error, RuntimeError | TypeError) and _FOREIGN.search(str(error)):
            foreign = ForeignAwait("something that is not a call")
            foreign.__cause__ = error
            return Failed(foreign)
        if isinstance(error, JobCancelled):
            return Failed(
                HandlerError("the handler raised JobCancelled by itself: raise JobFailed")
            )
        return Failed(error)

    def _tell(self, fiber: _Fiber) -> JobCancelled:
        fiber.told = self.told = True
        return JobCancelled()

    def _abandon(self, fiber: _Fiber, error: HandlerError) -> None:
        unsent = {one.call_id for one in self._effects if isinstance(one, Perform)}
        self._effects = [one for one in self._effects if isinstance(one, Withdraw)]
        self._effects.extend(Withdraw(one) for one in self._waiting if one not in unsent)
        self._ready.append((fiber, None, None))
        self.drop()
        self.ended = self._end(Failure(error))


def _freeze(coroutine: Coroutine[Any, Any, Any]) -> None:
    """See that the coroutine never goes on.

    Python throws GeneratorExit into a suspended coroutine that it collects, even when the
    interpreter ends, and that would run its ``finally`` blocks. So it is never collected.
    """
    unstarted = inspect.CORO_CREATED
    if inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == unstarted:
        coroutine.close()
    else:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))


async def _awaiting(call: Awaitable[Any]) -> Any:
    return await call
