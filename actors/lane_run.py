"""One run of one job, as the marketplace actor keeps it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from actors.lanes import Lane
from runtime.answers.limit_keeper import SentCall
from runtime.messages import BrowserCommand, CallTicket, RecordIntent, RecordOutcome
from runtime.process.clock import Timer
from runtime.runs.job_states import JobEvent, JobStatus, target
from runtime.runs.run import OutstandingCall, Run
from runtime.runs.settlement import Settlement


@dataclass(slots=True)
class LaneCall(OutstandingCall):
    """A call of a run that waits for its outcome.

    All that is known of a call stands in this one record, so that the end of the call ends it all.

    Attributes:
        ticket: comes back with the outcome.
        entry: the entry that the recorder was asked to write and has not acknowledged.
        has_place: whether the call takes one of the places of its lane.
        released_at: the time when a write had its turn; it leaves once its intent is recorded.
        not_after: the time from which a write may not leave any more; set with its intent.
        command: the command for the seller's browser, if the call is one.
        sent: what the limits know of the call since it left for the marketplace.
    """

    ticket: CallTicket = field(kw_only=True)
    entry: RecordIntent | RecordOutcome | None = None
    has_place: bool = False
    released_at: datetime | None = None
    not_after: datetime | None = None
    command: BrowserCommand | None = None
    sent: SentCall | None = None


@dataclass(slots=True, kw_only=True)
class LaneRun(Run[LaneCall]):
    """A run that has a place in a lane.

    Attributes:
        due_at: the time since which the job has been due.
        settlement: the end of the run, until it is recorded.
        had_invalid_settlement: whether the database refused a first settlement.
        overdue: the timer that ends a cancelled run which does not end by itself.
    """

    lane: Lane
    due_at: datetime
    settlement: Settlement | None = None
    had_invalid_settlement: bool = False
    overdue: Timer | None = None

    def ticket(self, actor: str, call_id: int) -> CallTicket:
        """Return the ticket that comes back with the outcome of a call."""
        return CallTicket(actor, self.job.id, self.job.fence, call_id)

    def back_in(self, now: datetime) -> timedelta | None:
        """Return the time until the job is due again; negative if it is, None if it is over."""
        settlement = self.settlement
        if settlement is None or target(settlement.event) is not JobStatus.PENDING:
            return None
        # Such a job keeps the age that it has; a new time would put it behind the backlog.
        if settlement.keeps_age or settlement.event is JobEvent.HAND_BACK:
            return self.due_at - now
        return settlement.delay
