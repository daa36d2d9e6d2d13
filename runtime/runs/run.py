"""One run of one job, as far as both runners carry it out alike. Pure.

A runner carries calls out and delivers their outcomes. There are two: the marketplace actor of a
service, which has many runs and calls under way at once, and the inline driver, which has one run.
This module keeps the outstanding calls of a run and decides for both runners what a cancellation
and a pause do to them, so that a job ends alike with a service and without one.
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
        left: whether the call was sent, or begun.
        entry: the entry that the recorder was asked to write and has not acknowledged.
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
        """Whether the call has left and may change something outside."""
        # Nobody knows what a blocking function does, so it counts as a write.
        return self.left and (self.call.writes or isinstance(self.call, BlockingCall))

    @property
    def is_unfinished(self) -> bool:
        """Whether the journal would miss its outcome if the run were left now."""
        records = isinstance(self.call, RecordStep) or self.entry is not None
        return records or self.is_irrevocable


C = TypeVar("C", bound=OutstandingCall)


@dataclass(slots=True)
class Run(Generic[C]):
    """One run.

    Attributes:
        steps: notes about the steps beside their journal.
        calls: the calls that wait for their outcome, by id, in the order in which they were asked.
        finishing: the ids of the calls whose outcomes a cancellation waits for.
        pausing: whether a pause was asked for. Nothing new leaves then, and the run is parked once
            the outcomes of all calls that have left are recorded.
    """

    job: Job
    execution: Execution
    steps: StepNotes
    calls: dict[int, C] = field(default_factory=dict)
    finishing: set[int] = field(default_factory=set)
    pausing: bool = False

    @classmethod
    def of(cls, job: Job, execute: Callable[[Job], Any], now: datetime, **fields: Any) -> Self:
        """Return a run that has not begun.

        Args:
            execute: makes the coroutine of the job's handler.
            now: the time from which open steps of former runs are counted.
            fields: further fields of a subclass.
        """
        execution = Execution(lambda: execute(job), job.journal)
        return cls(job, execution, StepNotes(job.journal, now), **fields)

    @property
    def is_interrupted(self) -> bool:
        """Whether a cancellation or a pause was asked for."""
        return self.execution.cancelling or self.pausing

    def sorted_out(self, effects: Iterable[Effect]) -> tuple[list[int], list[Perform]]:
        """Sort effects by what they ask for.

        Returns:
            The ids of the calls that nobody waits for any more, and the calls that are to be
            carried out.
        """
        effects = list(effects)
        gone = [one.call_id for one in effects if isinstance(one, Withdraw)]
        asked = (one for one in effects if isinstance(one, Perform))
        return gone, [one for one in asked if not self.keeps_back(one.call)]

    def cancel(self) -> list[Effect]:
        """Throw ``JobCancelled`` in, behind the outcomes of irrevocable calls; it ends a pause."""
        # A job that is cancelled needs no pause any more.
        self.pausing = False
        self.finishing = {key for key, call in self.calls.items() if call.is_irrevocable}
        return self.execution.cancel(self.finishing)

    def pause(self) -> list[int]:
        """Let nothing new leave, with nothing thrown in and the journal complete.

        Returns:
            The ids of the calls that are to be withdrawn.
        """
        self.pausing = True
        # The others have left or are being recorded: without their outcomes the journal would be
        # wrong.
        return [key for key, call in self.calls.items() if not call.is_unfinished]

    def keeps_back(self, call: Call) -> bool:
        """Return whether a pause keeps the call back; records of steps are never kept back."""
        return self.pausing and not isinstance(call, RecordStep)

    @property
    def is_parked(self) -> bool:
        """Whether the run is pausing and the journal would miss nothing if it were left now."""
        return self.pausing and not any(call.is_unfinished for call in self.calls.values())

    @property
    def is_unwinding(self) -> bool:
        """Whether the run was told of its cancellation and waits for no irrevocable call."""
        return self.execution.told and not self.finishing & self.calls.keys()
