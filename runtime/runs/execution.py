"""Steps the coroutine of one handler: outcomes go in, effects come out.

There are no threads, no actors, no I/O and no clock here. The owner of an :class:`Execution`
carries out the effects and delivers one outcome for each :class:`Perform`, in any order and at any
time. The owner decides how many of the calls are in flight.

A coroutine may branch (:class:`Gather`, steps), so each branch is a :class:`Fiber`. Its states::

    ready ──► advances ─┬─ yields a call ──► waiting ──► deliver ──► ready
      ▲                 ├─ yields a step or a gather ──► waits for its branches, which are ready
      │                 ├─ yields Park ──► parked: the run ends when nothing else is waited for
      │                 └─ ends ──► its group collects; the last branch makes the parent ready
      └── cancel: JobCancelled is thrown in, once
"""

import ctypes
import inspect
import re
from collections import deque
from collections.abc import Awaitable, Callable, Container, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from runtime.errors import (
    DuplicateStepName,
    ForeignAwait,
    HandlerError,
    JobCancelled,
    OutcomeUnknown,
    Snooze,
)
from runtime.runs.calls import (
    Call,
    Failure,
    Gather,
    Outcome,
    Park,
    RecordStep,
    RunStep,
    Success,
    TransactionCall,
)
from runtime.runs.failed_steps import note_failed_step
from runtime.runs.fibers import Fiber, Group
from runtime.runs.journal import RecordedStep, StepStatus, recorded_error
from runtime.runs.steps import StepState, carry_out


@dataclass(frozen=True, slots=True)
class Perform:
    """Carry out the call and deliver its outcome under this id.

    Attributes:
        step: the step that the call is part of; every write is part of one.
        within: the step that this step is part of.
    """

    call_id: int
    call: Call
    step: str | None = None
    within: str | None = None


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Tells the owner that nobody waits for this call any more; its outcome is ignored."""

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


@dataclass(frozen=True, slots=True)
class Undecided:
    """Nobody can tell now whether a write took effect.

    Attributes:
        error: the reason why the look at the marketplace did not answer; None if there is no look.
    """

    step: str
    error: Exception | None


@dataclass(frozen=True, slots=True)
class CodeChanged:
    """The coroutine returned without asking for steps that former runs recorded."""

    steps: tuple[str, ...]


End = Finished | Failed | Snoozed | Cancelled | Undecided | CodeChanged

# Other event loops, and Python itself, have these words for an await that cannot work here.
_FOREIGN = re.compile(
    r"no (running|current) event loop|async context"
    r"|can't be used in 'await' expression|can't be awaited"
)


class Execution:
    """One run of one handler.

    Args:
        make: makes the handler's coroutine; :meth:`start` calls it.
        journal: the steps that former runs have recorded.

    Attributes:
        ended: the end of the run, or None while it goes on.
        cancelling: whether a cancellation was asked for.
        told: whether ``JobCancelled`` was thrown in.
    """

    def __init__(
        self,
        make: Callable[[], Coroutine[Any, Any, Any]],
        journal: Iterable[RecordedStep] = (),
    ) -> None:
        self._make = make
        self._journal = {step.name: step for step in journal}
        self._parked: list[tuple[Fiber, Park]] = []
        self._waiting: dict[int, tuple[Fiber, Call]] = {}
        self._ready: deque[tuple[Fiber, Outcome | None, BaseException | None]] = deque()
        self._effects: list[Effect] = []
        self._step_names: set[str] = set()
        self._replayed: set[str] = set()
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
        # A handler that was defined without async has done its work already, on the actor's thread.
        if not inspect.iscoroutine(coroutine):
            self.ended = Failed(
                HandlerError(f"execute returned {coroutine!r}: define it with `async def`")
            )
            return []
        self._ready.append((Fiber(coroutine), None, None))
        return self._run()

    def deliver(self, call_id: int, outcome: Outcome) -> list[Effect]:
        """Send an outcome in; it is ignored if nobody waits for it."""
        # An outcome may come after its call was withdrawn, or twice.
        if call_id not in self._waiting or self.ended is not None:
            return []
        fiber, call = self._waiting.pop(call_id)
        if call.writes and fiber.step is not None:
            # Once open, a step stays open: the write after may be refused, and the one before still
            # counts.
            fiber.step.open = fiber.step.open or _leaves_open(outcome)
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
        for call_id, (fiber, call) in list(self._waiting.items()):
            # The record of a step is written in any case, or a step that is done would look open.
            if call_id in must_finish or isinstance(call, RecordStep):
                continue
            del self._waiting[call_id]
            self._effects.append(Withdraw(call_id))
            self._ready.append((fiber, None, self._tell(fiber)))
        return self._run()

    def drop(self) -> None:
        """Leave the run where it stands, without throwing anything in."""
        # Only the leaves are listed; each parent that waits for its branches is reached from them.
        suspended = [
            *(fiber for fiber, _ in self._waiting.values()),
            *(fiber for fiber, _, _ in self._ready),
            *(fiber for fiber, _ in self._parked),
        ]
        frozen: set[int] = set()
        for leaf in suspended:
            fiber: Fiber | None = leaf
            while fiber is not None and id(fiber) not in frozen:
                frozen.add(id(fiber))
                _freeze(fiber.coroutine)
                fiber = fiber.group.parent if fiber.group is not None else None
        self._waiting.clear()
        self._ready.clear()
        self._parked.clear()

    def _run(self) -> list[Effect]:
        while self._ready and self.ended is None:
            self._advance(*self._ready.popleft())
        # The other branches end first. Nothing is thrown into the branch that is parked: a handler
        # could catch the error and go on as if nothing had happened.
        if self._parked and not self._waiting and self.ended is None:
            _, park = self._parked[0]
            self.drop()
            self.ended = Undecided(park.name, park.error)
        # Effects go out together, so the owner never sees a run in the middle of a turn.
        effects, self._effects = self._effects, []
        return effects

    def _advance(self, fiber: Fiber, outcome: Outcome | None, thrown: BaseException | None) -> None:
        try:
            yielded = fiber.advance(outcome, thrown)
        except StopIteration as stop:
            self._finish(fiber, Success(stop.value))
        except BaseException as error:  # noqa: BLE001 - SystemExit of a handler ends its job only
            self._finish(fiber, Failure(error))
        else:
            self._answer(fiber, yielded)

    def _answer(self, fiber: Fiber, yielded: object) -> None:
        if not isinstance(yielded, Call | Gather):
            self._abandon(fiber, ForeignAwait(yielded))
        elif self.cancelling and not fiber.told and not isinstance(yielded, RecordStep | Park):
            # Nothing new leaves. Each branch is told once, so that its ``finally`` may make calls.
            if isinstance(yielded, Gather):
                yielded.close()
            self._ready.append((fiber, None, self._tell(fiber)))
        elif isinstance(yielded, Gather):
            self._fork(fiber, yielded)
        elif isinstance(yielded, RunStep):
            self._step(fiber, yielded)
        elif isinstance(yielded, Park):
            self._parked.append((fiber, yielded))
        elif isinstance(yielded, TransactionCall) and not _is_step(fiber, yielded.name):
            make = partial(_awaiting, yielded)
            self._step(fiber, RunStep(yielded.name, make), records_itself=True)
        elif yielded.writes and fiber.step is None:
            # The handler gave the write no name, but no retry may do it again. Its name comes from
            # its position in the handler, which is the same in every run.
            self._step(fiber, RunStep(f"call-{fiber.next_position()}", partial(_awaiting, yielded)))
        else:
            self._perform(fiber, yielded)

    def _perform(self, fiber: Fiber, call: Call) -> None:
        call_id = self._next_call_id
        self._next_call_id += 1
        self._waiting[call_id] = (fiber, call)
        step = fiber.step
        self._effects.append(
            Perform(call_id, call, step.name, step.within) if step else Perform(call_id, call)
        )

    def _step(self, parent: Fiber, step: RunStep, *, records_itself: bool = False) -> None:
        # The second step would get the record of the first one, after a crash if not before.
        if step.name in self._step_names:
            self._ready.append((parent, Failure(DuplicateStepName(step.name)), None))
            return
        self._step_names.add(step.name)
        recorded = self._journal.get(step.name)
        if recorded is not None and not recorded.is_open:
            # Neither the step nor a look is called again: its recorded outcome goes in.
            self._replayed.add(step.name)
            self._ready.append((parent, _replayed(recorded), None))
            return
        within = parent.step.name if parent.step else None
        state = StepState(step.name, open=recorded is not None, within=within)
        coroutine = carry_out(step, state, records_itself=records_itself)
        fiber = Fiber(coroutine, Group(parent, 1, alone=True), 0, f"{step.name}/", state)
        fiber.told = parent.told
        self._ready.append((fiber, None, None))

    def _fork(self, parent: Fiber, gather: Gather) -> None:
        group = Group(parent, len(gather.branches))
        position = parent.next_position()
        if not gather.branches:
            self._ready.append((parent, Success([]), None))
        for index, branch in enumerate(gather.branches):
            coroutine = _awaiting(branch) if isinstance(branch, Call) else branch
            fiber = Fiber(coroutine, group, index, f"{position}.{index + 1}.", parent.step)
            fiber.told = parent.told
            self._ready.append((fiber, None, None))

    def _finish(self, fiber: Fiber, outcome: Outcome) -> None:
        group = fiber.group
        if group is None:
            self.ended = self._end(outcome)
            return
        group.outcomes[fiber.index] = outcome
        group.missing -= 1
        if not group.missing:
            collected = group.collect()
            # The cancellation goes on through the parent, which need not be told once more.
            if isinstance(collected, Failure) and isinstance(collected.error, JobCancelled):
                group.parent.told = self.told
            self._ready.append((group.parent, collected, None))

    def _end(self, outcome: Outcome) -> End:
        # After a handler was told, even an ordinary return of it leaves its job cancelled.
        if self.told:
            return Cancelled()
        if isinstance(outcome, Success):
            # A handler whose code was changed between two runs may do again, under another name,
            # what was done already. So the job does not count as completed, and a person looks.
            unasked = tuple(name for name in self._journal if self._is_missed(name))
            return CodeChanged(unasked) if unasked else Finished(outcome.value)
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

    def _is_missed(self, name: str) -> bool:
        """Return whether the run should have asked for this recorded step and did not.

        A step within a step that was replayed is not asked for, because the outer one was not run.
        """
        step: str | None = name
        while step is not None:
            if step in (self._step_names if step == name else self._replayed):
                return False
            recorded = self._journal.get(step)
            step = recorded.within if recorded is not None else None
        return True

    def _tell(self, fiber: Fiber) -> JobCancelled:
        fiber.told = self.told = True
        return JobCancelled()

    def _abandon(self, fiber: Fiber, error: HandlerError) -> None:
        # The effects of this step are not carried out, so calls among them need no withdrawal.
        unsent = {one.call_id for one in self._effects if isinstance(one, Perform)}
        self._effects = [one for one in self._effects if isinstance(one, Withdraw)]
        self._effects.extend(Withdraw(one) for one in self._waiting if one not in unsent)
        self._ready.append((fiber, None, None))
        self.drop()
        self.ended = self._end(Failure(error))


def _freeze(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Make sure that the coroutine never goes on.

    Python throws GeneratorExit into a suspended coroutine that it collects, even when the
    interpreter ends, and this would run its ``finally`` blocks. The coroutine is therefore kept
    for ever, by a reference that nobody gives back.
    """
    # A coroutine that has not begun has nothing to run, and Python would warn that it was never
    # awaited.
    unstarted = inspect.CORO_CREATED
    if inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == unstarted:
        coroutine.close()
    else:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))


def _is_step(fiber: Fiber, name: str) -> bool:
    return fiber.step is not None and fiber.step.name == name


def _leaves_open(outcome: Outcome) -> bool:
    """Return whether a write with this outcome may have taken effect."""
    return isinstance(outcome, Success) or isinstance(outcome.error, OutcomeUnknown)


def _replayed(step: RecordedStep) -> Outcome:
    if step.status is StepStatus.SUCCEEDED:
        return Success(step.result)
    error = recorded_error(step.error or {})
    note_failed_step(error, step.name)
    return Failure(error)


async def _awaiting(call: Awaitable[Any]) -> Any:
    return await call
