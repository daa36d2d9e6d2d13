"""One run of one job, as the marketplace actor keeps it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from actors.lanes import Lane
from runtime.answers.limit_keeper import Sent
from runtime.messages import BrowserRequest, CallTicket, RecordIntent, RecordOutcome
from runtime.process.clock import Timer
from runtime.runs.calls import BlockingCall, Call, RecordStep
from runtime.runs.execution import Execution
from runtime.runs.job import Job
from runtime.runs.job_states import JobEvent, JobStatus, target
from runtime.runs.settlement import Settlement


@dataclass(frozen=True, slots=True)
class Quiet:
    """When the writes of a step can do nothing any more.

    Attributes:
        leaving: until then one of them may still leave.
        settling: until then one that left may still take effect.
    """

    leaving: datetime
    settling: datetime


@dataclass(slots=True)
class Run:
    """One run.

    Attributes:
        due_at: since when the job has been due.
        calls: calls that wait for their outcome, by id.
        left: ids of those that were sent.
        requests: browser requests that are in flight, by call id.
        finishing: ids of the calls whose outcomes a cancellation waits for.
        steps: the step that each call is part of, by call id.
        within: the step that each step is part of, by name.
        entries: what the recorder was asked to write for a call, until it did, by call id.
        quiet: when the open writes of each step can do nothing any more.
        placed: ids of the calls that have a place in their lane.
        not_after: when an intended write may not leave any more, by call id.
        task_types: how each step is carried out.
        released_at: when the budgets let a call go that has not left yet, by id.
        sent: what is known of the calls that left, by id.
        began_at: when each step that is not recorded yet first asked for something, by name.
        settlement: how the run ended, until that is recorded.
        pausing: nothing new leaves; once what has left is recorded, the run is parked.
    """

    job: Job
    lane: Lane
    execution: Execution
    due_at: datetime
    calls: dict[int, Call] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    requests: dict[int, BrowserRequest] = field(default_factory=dict)
    finishing: set[int] = field(default_factory=set)
    steps: dict[int, str] = field(default_factory=dict)
    within: dict[str, str] = field(default_factory=dict)
    entries: dict[int, RecordIntent | RecordOutcome] = field(default_factory=dict)
    quiet: dict[str, Quiet] = field(default_factory=dict)
    placed: set[int] = field(default_factory=set)
    not_after: dict[int, datetime] = field(default_factory=dict)
    released_at: dict[int, datetime] = field(default_factory=dict)
    sent: dict[int, Sent] = field(default_factory=dict)
    began_at: dict[str, datetime] = field(default_factory=dict)
    task_types: dict[str, str] = field(default_factory=dict)
    settlement: Settlement | None = None
    refused: bool = False
    pausing: bool = False
    overdue: Timer | None = None

    @classmethod
    def of(cls, job: Job, lane: Lane, execute: Callable[[Job], Any], now: datetime) -> Self:
        """A run that has not begun.

        Args:
            execute: makes the coroutine of the job's handler.
        """
        quiet = {
            step.name: Quiet(now + step.quiet_in, now + step.settled_in)
            for step in job.journal
            if step.is_open
        }
        execution = Execution(lambda: execute(job), job.journal)
        return cls(job, lane, execution, now - job.waited, quiet=quiet)

    def ticket(self, actor: str, call_id: int) -> CallTicket:
        """What comes back with the outcome of a call."""
        return CallTicket(actor, self.job.id, self.job.fence, call_id)

    def back_in(self, now: datetime) -> timedelta | None:
        """The time until the job is due again, negative where it is; None: it waits no more."""
        settlement = self.settlement
        if settlement is None or target(settlement.event) is not JobStatus.PENDING:
            return None
        if settlement.keeps_place or settlement.event is JobEvent.RELEASE:
            return self.due_at - now
        return settlement.delay

    def step_began(self, name: str, now: datetime) -> None:
        """A step asked for something; those that it is part of have begun with it."""
        step: str | None = name
        while step is not None:
            self.began_at.setdefault(step, now)
            step = self.within.get(step)

    def irrevocable_calls(self) -> set[int]:
        """Calls that have left and may change something outside."""
        return {
            call_id
            for call_id in self.left
            if self.calls[call_id].writes or isinstance(self.calls[call_id], BlockingCall)
        }

    def unfinished_calls(self) -> set[int]:
        """Calls whose outcome, or the record of it, would be missing were the run left now."""
        records = {key for key, call in self.calls.items() if isinstance(call, RecordStep)}
        return self.irrevocable_calls() | records | self.entries.keys()
