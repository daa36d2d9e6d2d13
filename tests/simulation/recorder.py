"""In the recorder's place: what is written down of jobs, steps, closures and usage."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from runtime import messages
from runtime.rate_limits import Usage
from runtime.rate_limits.closures import Closure, ClosureKind, Scope
from runtime.runs.calls import Success
from runtime.runs.job_states import FINAL, JobEvent, JobStatus, after
from runtime.runs.journal import RecordedStep, StepStatus
from runtime.runs.settlement import Settlement
from tests.simulation.job_table import JobTable, SimulatedJob

COMMIT = timedelta(milliseconds=4)

Tell = Callable[[str, Any], None]
AGAIN = {JobEvent.RETRY, JobEvent.SNOOZE}


class Records:
    """Commits what gathered within a few milliseconds, and acknowledges it.

    Args:
        later: calls a function after a time.
        ended: is told of a run that ended.
    """

    def __init__(
        self,
        table: JobTable,
        now: Callable[[], datetime],
        later: Callable[[timedelta, Callable[[], None]], Any],
        tell: Tell,
        ended: Callable[[SimulatedJob, Settlement], None],
    ) -> None:
        self.closures: dict[tuple[Scope, ClosureKind], Closure] = {}
        self.usage: dict[tuple[Scope, timedelta, datetime], Usage] = {}
        self.lost_fences = 0
        self._table = table
        self._now = now
        self._later = later
        self._tell = tell
        self._ended = ended
        self._gathered: list[Any] = []

    def receive(self, message: Any) -> None:
        """Note it for the next commit."""
        if not self._gathered:
            self._later(COMMIT, self._commit)
        self._gathered.append(message)

    def _commit(self) -> None:
        gathered, self._gathered = self._gathered, []
        for message in gathered:
            self._write(message)

    def _write(self, message: Any) -> None:
        match message:
            case messages.RecordSettlement(reply_to, settlement):
                self._tell(reply_to, self._settle(settlement))
            case messages.RecordIntent(ticket, name):
                row = self._table.rows[ticket.job_id]
                row.journal[name] = RecordedStep(name, StepStatus.STARTED)
                self._tell(ticket.reply_to, messages.IntentRecorded(ticket, self._owns(ticket)))
            case messages.RecordOutcome(ticket, step):
                row = self._table.rows[ticket.job_id]
                result = json.loads(step.result or "null")
                recorded = RecordedStep(step.name, step.status, result, step.error)
                row.journal[step.name] = recorded
                self._tell(ticket.reply_to, messages.CallEnded(ticket, Success(result)))
            case messages.RecordClosure(closure):
                self.closures[closure.key] = closure
                self._acknowledge(message)
            case messages.RecordOpening():
                self.closures.pop(message.key, None)
                self._acknowledge(message)
            case messages.RecordUsage(usage):
                for one in usage:
                    self.usage[one.scope, one.window, one.bucket_start] = one
            case messages.LoadClosures(reply_to, marketplace):
                now = self._now()
                loaded = tuple(self.closures_of(marketplace, now))
                self._tell(reply_to, messages.ClosuresLoaded(loaded))
            case messages.UsageWanted(reply_to, marketplace):
                used = (one for one in self.usage.values() if one.scope.marketplace == marketplace)
                self._tell(reply_to, messages.UsageLoaded(tuple(used)))

    def closures_of(self, marketplace: str, now: datetime) -> list[Closure]:
        """Return the closed scopes of a marketplace."""
        return [
            one
            for one in self.closures.values()
            if one.scope.marketplace == marketplace and one.holds(now)
        ]

    def _acknowledge(self, entry: messages.RecordClosure | messages.RecordOpening) -> None:
        name = messages.marketplace_actor(entry.key[0].marketplace)
        self._tell(name, messages.ClosureRecorded(entry))

    def _owns(self, ticket: messages.CallTicket) -> bool:
        row = self._table.rows[ticket.job_id]
        return row.status is JobStatus.RUNNING and row.fence == ticket.fence

    def _settle(self, settlement: Settlement) -> messages.SettlementRecorded:
        row = self._table.rows[settlement.job_id]
        written = row.status is JobStatus.RUNNING and row.fence == settlement.fence
        if not written:
            self.lost_fences += 1
            return messages.SettlementRecorded(row.id, settlement.fence, False)
        status = after(JobStatus.RUNNING, settlement.event)
        again = settlement.event in AGAIN
        if row.cancel_requested and again:
            status = JobStatus.CANCELLED
        elif row.pause_requested and status is JobStatus.PENDING and not row.cancel_requested:
            status = JobStatus.PAUSED
        row.pause_requested = False
        row.reason = settlement.waiting_reason
        row.retry_count += settlement.event is JobEvent.RETRY
        row.snooze_count += settlement.event is JobEvent.SNOOZE
        row.ended_at = self._now() if status in FINAL else None
        for name in settlement.ended_by:
            row.journal.pop(name, None)
        run_at = self._now() + settlement.delay if again and not settlement.keeps_age else None
        self._table.change(row, status, run_at)
        self._ended(row, settlement)
        return messages.SettlementRecorded(row.id, settlement.fence, True)
