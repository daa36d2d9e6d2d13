"""One run of one job, as the marketplace actor keeps it."""

from dataclasses import dataclass, field

from actors.lanes import Lane
from runtime.calls import BlockingCall, Call, TransactionCall
from runtime.clock import Timer
from runtime.execution import Execution
from runtime.job import Job
from runtime.messages import BrowserRequest, CallTicket
from runtime.retry import Settlement


@dataclass(slots=True)
class Run:
    """One run.

    Attributes:
        calls: calls that wait for their outcome, by id.
        left: ids of those that were sent.
        requests: browser requests that are in flight, by call id.
        finishing: ids of the calls whose outcomes a cancellation waits for.
        settlement: how the run ended, until that is recorded.
    """

    job: Job
    lane: Lane
    execution: Execution
    calls: dict[int, Call] = field(default_factory=dict)
    left: set[int] = field(default_factory=set)
    requests: dict[int, BrowserRequest] = field(default_factory=dict)
    finishing: set[int] = field(default_factory=set)
    settlement: Settlement | None = None
    refused: bool = False
    overdue: Timer | None = None

    def ticket(self, actor: str, call_id: int) -> CallTicket:
        """What comes back with the outcome of a call."""
        return CallTicket(actor, self.job.id, self.job.fence, call_id)

    def irrevocable_calls(self) -> set[int]:
        """Calls that have left and may change something outside."""
        return {
            call_id
            for call_id in self.left
            if self.calls[call_id].writes or isinstance(self.calls[call_id], BlockingCall)
        }

    def unresolved_writes(self) -> list[Call]:
        """Writes to the marketplace that have left and are not answered."""
        return [
            call
            for call_id in self.left
            if (call := self.calls[call_id]).writes and not isinstance(call, TransactionCall)
        ]
