"""A marketplace, a journal and a person for handlers that are crashed on the way.

Plays the parts of the marketplace actor and of the recorder without threads: every effect of an
:class:`Execution` is carried out in small stages, and the run may be dropped between any two.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from runtime.errors import CallRejected, CallTimeout, NotSent, OutcomeUnknown
from runtime.products.media import Media
from runtime.runs.calls import (
    AwaitQuiet,
    Call,
    Failure,
    HttpCall,
    MediaCall,
    Outcome,
    RecordStep,
    Success,
    TransactionCall,
)
from runtime.runs.execution import End, Execution, Failed, Perform, Undecided, Withdraw
from runtime.runs.failed_steps import failed_steps
from runtime.runs.journal import RecordedStep, StepStatus

LEAVES_WITHIN = 10
UNKNOWN = {"happened", "missing", "late"}
ANSWERS = ["ok", "rejected", "not sent", *sorted(UNKNOWN)]


class Crashed(Exception):
    """The process died here."""


@dataclass
class World:
    """The world that outlives a crash: the marketplace, the journal, the time.

    Attributes:
        answers: how the marketplace takes the write to a path, whenever it comes.
        effects: how often each write took effect.
        late: writes that are still under way, with the time at which they take effect.
        quiet: for each step, the times after which its writes cannot leave, or take effect.
    """

    answers: dict[str, str] = field(default_factory=dict)
    effects: Counter[str] = field(default_factory=Counter)
    journal: dict[str, RecordedStep] = field(default_factory=dict)
    late: list[tuple[int, str]] = field(default_factory=list)
    quiet: dict[str, tuple[int, int]] = field(default_factory=dict)
    now: int = 0

    def send(self, call: HttpCall) -> Outcome:
        """The marketplace gets a request."""
        path = call.path
        if path.startswith("/look"):
            wanted = path.removeprefix("/look")
            return Success({"id": wanted} if self.effects[wanted] else None)
        match self.answers[path]:
            case "rejected":
                return Failure(CallRejected(f"{path}: no", status=404, writes=call.writes))
            case "not sent":
                return Failure(NotSent(f"{path}: no route", writes=call.writes))
            case "missing":
                return Failure(CallTimeout(f"{path}: no answer", writes=call.writes))
            case "late":
                self.late.append((self.now + _settling(call), path))
                return Failure(CallTimeout(f"{path}: no answer yet", writes=call.writes))
            case "happened":
                self.effects[path] += 1
                return Failure(OutcomeUnknown(f"{path} answered 500", writes=call.writes))
        self.effects[path] += call.writes
        return Success({"id": path})

    def wait_until(self, when: int) -> bool:
        """Let time pass; whether there was anything to wait for."""
        waited = when > self.now
        self.now = max(self.now, when)
        for due, path in [one for one in self.late if one[0] <= self.now]:
            self.late.remove((due, path))
            self.effects[path] += 1
        return waited

    def intend(self, name: str, call: HttpCall, within: str | None) -> None:
        """The recorder commits an intent."""
        self.journal[name] = RecordedStep(name, StepStatus.STARTED, within=within)
        leaving = self.now + LEAVES_WITHIN
        self.quiet[name] = (leaving, leaving + _settling(call))

    def record(self, step: RecordStep, within: str | None) -> Any:
        """The recorder commits how a step ended; the result as it comes back."""
        result = json.loads(step.result or "null")
        self.journal[step.name] = RecordedStep(
            step.name, step.status, result, step.error, within=within
        )
        return result

    def ask_person(self, step: str) -> None:
        """Somebody looks at the marketplace, after everything has settled, and says the truth."""
        self.wait_until(max((end for _, end in self.quiet.values()), default=0))
        path = f"/{step}"
        if self.effects[path]:
            self.journal[step] = replace(
                self.journal[step], status=StepStatus.SUCCEEDED, result={"id": path}
            )
            return
        del self.journal[step]
        if self.answers[path] in UNKNOWN:
            self.answers[path] = "ok"


@dataclass
class Pending:
    """An effect that is being carried out."""

    perform: Perform
    stage: int = 0
    outcome: Outcome | None = None


class ReplayRun:
    """One run of a handler in the world.

    Args:
        crash_after: so many stages until the process dies; None lives on.

    Attributes:
        answered: steps whose write got an answer that says what happened.
    """

    def __init__(
        self,
        world: World,
        make: Callable[[], Coroutine[Any, Any, Any]],
        order: random.Random,
        crash_after: int | None = None,
    ) -> None:
        self.world = world
        self.order = order
        self.stages_left = crash_after
        self.pending: dict[int, Pending] = {}
        self.answered: set[str] = set()
        self.execution = Execution(make, list(world.journal.values()))
        self._take(self.execution.start())

    def to_the_end(self) -> End | None:
        """Go on until the run ends; None where the process died before."""
        try:
            while self.execution.ended is None:
                self.one_stage()
            self._tick()  # the end, too, may be lost before it is recorded
        except Crashed:
            self.execution.drop()
            return None
        return self.execution.ended

    def one_stage(self) -> None:
        """Carry one of the effects a little further."""
        assert self.pending, "a run that waits, waits for something"
        self._tick()
        call_id = self.order.choice(sorted(self.pending))
        pending = self.pending[call_id]
        pending.stage += 1
        if self._carry_out(pending):
            del self.pending[call_id]
            assert pending.outcome is not None
            self._note(pending.perform, pending.outcome)
            self._take(self.execution.deliver(call_id, pending.outcome))

    def cancel(self) -> None:
        """Cancel; what has left is waited for."""
        left = {
            call_id
            for call_id, one in self.pending.items()
            if one.outcome is not None and one.perform.call.writes
        }
        self._take(self.execution.cancel(left))

    def _carry_out(self, pending: Pending) -> bool:
        """One stage; whether the outcome is there to be delivered."""
        call, step = pending.perform.call, pending.perform.step
        world = self.world
        match call:
            case HttpCall() if call.writes:
                assert step is not None, "every write is part of a step"
                if pending.stage == 1:
                    world.intend(step, call, pending.perform.within)
                    return False
                if pending.stage == 2:
                    if world.now >= world.quiet[step][0]:
                        # Too late to leave under that intent.
                        world.intend(step, call, pending.perform.within)
                    pending.outcome = world.send(call)
                    return False
            case HttpCall():
                pending.outcome = world.send(call)
            case MediaCall():
                known = call.function is not Media.types
                pending.outcome = Success(None if known else [None] * len(call.arguments[0]))
            case AwaitQuiet(name, settled):
                until = world.quiet.get(name, (0, 0))[settled]
                pending.outcome = Success(world.wait_until(until))
            case RecordStep():
                if pending.stage == 1:
                    pending.outcome = Success(world.record(call, pending.perform.within))
                    return False
            case TransactionCall():
                if pending.stage == 1:
                    pending.outcome = self._transact(call, pending.perform.within)
                    return False
            case other:
                raise AssertionError(other)
        return True

    def _transact(self, call: TransactionCall, within: str | None) -> Outcome:
        try:
            value = call.function(*call.arguments)
        except Exception as error:  # noqa: BLE001 - the handler gets it
            return Failure(error)
        self.world.effects[f"/{call.name}"] += 1
        self.world.journal[call.name] = RecordedStep(
            call.name, StepStatus.SUCCEEDED, value, within=within
        )
        return Success(value)

    def _note(self, perform: Perform, outcome: Outcome) -> None:
        unknown = isinstance(outcome, Failure) and isinstance(outcome.error, OutcomeUnknown)
        if perform.call.writes and perform.step is not None and not unknown:
            self.answered.add(perform.step)

    def _take(self, effects: list[Any]) -> None:
        for effect in effects:
            if isinstance(effect, Withdraw):
                self.pending.pop(effect.call_id, None)
            else:
                self.pending[effect.call_id] = Pending(effect)

    def _tick(self) -> None:
        if self.stages_left is None:
            return
        if not self.stages_left:
            raise Crashed
        self.stages_left -= 1


def through_crashes(
    world: World,
    make: Callable[[], Coroutine[Any, Any, Any]],
    order: random.Random,
    crashes: list[int],
) -> tuple[End, list[Undecided]]:
    """Run, crash, and run again, asking a person where nobody else can tell."""
    asked: list[Undecided] = []
    left = list(crashes)
    for _ in range(200):
        end = ReplayRun(world, make, order, left.pop(0) if left else None).to_the_end()
        if isinstance(end, Undecided):
            asked.append(end)
            assert world.journal[end.step].is_open, "the question is about an open step"
            world.ask_person(end.step)
        elif end is not None:
            return end, asked
    raise AssertionError("it never ends")


def clear_failures(world: World, end: End) -> None:
    """Do what the settlement does before the next run."""
    for name in failed_steps(end.error) if isinstance(end, Failed) else ():
        step = world.journal.get(name)
        if step is not None and step.status is StepStatus.FAILED:
            del world.journal[name]


def _settling(call: Call) -> int:
    assert isinstance(call, HttpCall)
    return int(call.settles_within / timedelta(seconds=1))
