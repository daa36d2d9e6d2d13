"""One run of one job, as far as all engines carry it out alike. Pure.

An engine carries calls out and delivers their outcomes: the marketplace actor of a service, which
has many runs and calls under way at once, and the inline driver, which has one. What a run has
outstanding, and what a cancellation and a pause do to that, is decided here for both.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Self, TypeVar

from runtime.runs.calls import BlockingCall, Call, RecordStep
from runtime.runs.execution import Effect, Execution, Perform, Withdraw
from runtime.runs.job import Job
from runtime.runs.step_notes import StepNotes


@dataclass(slots=True)
class OutstandingCall:
    """A call that waits for its outcome.

    Attributes:
        effect: the call, its id, and the step that it is part of.
        left: it was sent, or begun.
        entry: what the recorder was asked to write for the call, until it did.
    """

    effect: Perform
    left: bool = False
    entry: Any = None

    @property
    def call(self) -> Call:
        """The call itself."""
        return self.effect.call

    @property
    def is_irrevocable(self) -> bool:
        """It has left and may change something outside."""
        return self.left and (self.call.writes or isinstance(self.call, BlockingCall))

    @property
    def is_unfinished(self) -> bool:
        """Its outcome, or the record of it, would be missing if the run were left now."""
        records = isinstance(self.call, RecordStep) or self.entry is not None
        return records or self.is_irrevocable


C = TypeVar("C", bound=OutstandingCall)


@dataclass(slots=True)
class Run(Generic[C]):
    """One run.

    Attributes:
        steps: what is known of the steps beside their journal.
        calls: the calls that wait for their outcome, by id, in the order of their asking.
        finishing: ids of the calls whose outcomes a cancellation waits for.
        pausing: nothing new leaves; once what has left is recorded, the run is parked.
    """

    job: Job
    execution: Execution
    steps: StepNotes
    calls: dict[int, C] = field(default_factory=dict)
    finishing: set[int] = field(default_factory=set)
    pausing: bool = False

    @classmethod
    def of(cls, job: Job, execute: Callable[[Job], Any], now: datetime, **fields: Any) -> Self:
        """A run that has not begun.

        Args:
            execute: makes the coroutine of the job's handler.
            fields: further fields of a subclass.
        """
        execution = Execution(lambda: execute(job), job.journal)
        return cls(job, execution, StepNotes(job.journal, now), **fields)

    @property
    def is_interrupted(self) -> bool:
        """A cancellation or a pause was asked for."""
        return self.execution.cancelling or self.pausing

    def sorted_out(self, effects: Iterable[Effect]) -> tuple[list[int], list[Perform]]:
        """What the effects ask for.

        Returns:
            The ids of the calls that nobody waits for any more, and the calls that are to be
            carried out.
        """
        effects = list(effects)
        gone = [one.call_id for one in effects if isinstance(one, Withdraw)]
        asked = (one for one in effects if isinstance(one, Perform))
        return gone, [one for one in asked if not self.holds(one.call)]

    def cancel(self) -> list[Effect]:
        """Throw ``JobCancelled`` in, behind the outcomes of what has left; it wins over a pause."""
        self.pausing = False
        self.finishing = {key for key, call in self.calls.items() if call.is_irrevocable}
        return self.execution.cancel(self.finishing)

    def pause(self) -> list[int]:
        """Let nothing new leave, with nothing thrown in and the journal complete.

        Returns:
            The ids of the calls that are to be withdrawn.
        """
        self.pausing = True
        return [key for key, call in self.calls.items() if not call.is_unfinished]

    def holds(self, call: Call) -> bool:
        """Whether the call does not leave any more; what happened is written down all the same."""
        return self.pausing and not isinstance(call, RecordStep)

    @property
    def is_parked(self) -> bool:
        """It is pausing, and the journal would miss nothing if it were left now."""
        return self.pausing and not any(call.is_unfinished for call in self.calls.values())

    @property
    def is_unwinding(self) -> bool:
        """It was told that it is cancelled, and what had left by then is answered."""
        return self.execution.told and not self.finishing & self.calls.keys()
