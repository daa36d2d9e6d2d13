"""One run of one job, as the marketplace actor keeps it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from actors.lanes import Lane
from runtime.answers.limit_keeper import Sent
from runtime.messages import BrowserRequest, CallTicket, RecordIntent, RecordOutcome
from runtime.process.clock import Timer
from runtime.runs.job_states import JobEvent, JobStatus, target
from runtime.runs.run import OutstandingCall, Run
from runtime.runs.settlement import Settlement


@dataclass(slots=True)
class LaneCall(OutstandingCall):
    """A call of a run that waits for its outcome.

    Attributes:
        ticket: what comes back with its outcome.
        has_place: it takes one of the places of its lane.
        released_at: when it had its turn; of a write, which leaves once its intent is recorded.
        not_after: when it may not leave any more; of a write whose intent was told.
        request: for the seller's browser.
        sent: what is known of it since it left for the marketplace.
    """

    ticket: CallTicket = field(kw_only=True)
    entry: RecordIntent | RecordOutcome | None = None
    has_place: bool = False
    released_at: datetime | None = None
    not_after: datetime | None = None
    request: BrowserRequest | None = None
    sent: Sent | None = None


@dataclass(slots=True, kw_only=True)
class LaneRun(Run[LaneCall]):
    """A run that has a place in a lane.

    Attributes:
        due_at: since when the job has been due.
        settlement: how the run ended, until that is recorded.
        refused: the database did not take a first settlement.
        overdue: ends the run when it is cancelled and does not end by itself.
    """

    lane: Lane
    due_at: datetime
    settlement: Settlement | None = None
    refused: bool = False
    overdue: Timer | None = None

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
