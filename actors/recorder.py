"""RecorderActor: writes entries in group commits, and acknowledges them after COMMIT.

The way of an entry::

    told ─► gathered ─► Flush ─┬─ committed ─► acknowledged
               ▲               ├─ its row is locked (held) ─► behind the other entries, tried again
               │               ├─ refused ─► the group is halved until the offender stands alone
               └───────────────┴─ database away ─► all entries stay, with a growing delay
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from actors.base_actor import BaseActor
from actors.closure_records import ClosureRecords
from runtime import messages
from runtime.errors import DatabaseRefused, DatabaseUnavailable, FenceLost
from runtime.process.clock import Timer
from runtime.rate_limits import Usage
from runtime.rate_limits.closures import Scope
from runtime.runs.calls import Failure, Success
from runtime.storage.nodes import membership, presence
from runtime.storage.queue import budget_usage, journal_rows, settlements
from runtime.storage.server.engine import Database

# A larger statement would make the first of its entries wait for the last.
MAX_GROUP = 500
FIRST_RETRY = timedelta(milliseconds=200)
LONGEST_RETRY = timedelta(seconds=5)
HELD_RETRY = timedelta(milliseconds=200)
PRESENCE_DELAY = timedelta(milliseconds=200)
"""A connection may flap, and thousands of browsers may come at once. Written so much later, the
last words about all sellers cost two statements."""

Entry = (
    messages.RecordSettlement
    | messages.RecordProgress
    | messages.HandBackJobs
    | messages.RecordIntent
    | messages.RecordOutcome
    | messages.UsageWanted
)


class RecorderActor(BaseActor):
    """Keeps every entry until the database has it.

    Entries are written in the order in which they came. The entries that gather in the mailbox
    while one group is written make the next group.
    """

    def __init__(self, *base: Any, database: Database, node_id: int) -> None:
        super().__init__(*base)
        self._database = database
        self._node_id = node_id
        self._entries: list[Entry] = []
        self._progress: dict[tuple[int, int], messages.RecordProgress] = {}
        self._presence: dict[int, bool] = {}
        self._presence_due: Timer | None = None
        self._closures = ClosureRecords(database, self.clock, self.tell)
        self._usage: dict[tuple[Scope, timedelta, datetime], Usage] = {}
        self._flush_queued = False
        self._retry: Timer | None = None
        self._retry_delay = FIRST_RETRY
        self._draining = False

    def receive(self, message: Any) -> None:
        """Gather an entry; a flush behind the entries in the mailbox writes them together."""
        match message:
            case messages.Flush():
                self._flush_queued = False
                self._retry = None
                self._flush()
            case messages.Drain():
                self._draining = True
            case messages.RecordProgress(job_id, fence):
                # Only the last progress of a run counts, however many gather.
                self._progress[job_id, fence] = message
            case messages.RecordPresence(user_id, connected):
                # Only the last word about a seller counts, too.
                self._presence[user_id] = connected
                if self._presence_due is None:
                    self._write_presence_later(PRESENCE_DELAY)
            case messages.PresenceDue():
                self._presence_due = None
                self._write_presence()
            case messages.RecordClosure() | messages.RecordOpening() | messages.LoadClosures():
                self._closures.note(message)
            case messages.RecordUsage(usage):
                self._usage |= {(one.scope, one.window, one.bucket_start): one for one in usage}
            case _:
                self._entries.append(message)
        self._continue()

    def _continue(self) -> None:
        waiting = bool(self._entries or self._progress or self._closures or self._usage)
        # The flush is a message to the actor itself, so that it comes behind the entries that
        # are in the mailbox already, and these share its commit.
        if waiting and not self._flush_queued and self._retry is None:
            self._flush_queued = True
            self.actor_ref.tell(messages.Flush())
        if self._draining and not waiting:
            self._draining = False
            self.tell(messages.SUPERVISOR, messages.Drained(self.name))

    def _flush(self) -> None:
        group = self._entries[:MAX_GROUP]
        held: list[Entry] = []
        try:
            self._write_usage()
            self._write_progress()
            # Closures are written before the endings, so that an actor which hears of an ending
            # finds its closures written.
            nothing_locked = self._closures.flush()
            self._write(group, held)
        except DatabaseUnavailable as error:
            self.log.warning(
                "database away, outcomes are kept",
                entries=len(self._entries),
                reason=str(error),
                retry_seconds=self._retry_delay.total_seconds(),
            )
            self._flush_later(self._retry_delay)
            self._retry_delay = min(self._retry_delay * 2, LONGEST_RETRY)
        else:
            self._retry_delay = FIRST_RETRY
            # Held entries go behind the others: an application's open transaction on one job
            # holds up the ending of that job only.
            self._entries[: len(group)] = []
            self._entries.extend(held)
            if len(self._entries) == len(held) and (held or not nothing_locked):
                self._flush_later(HELD_RETRY)

    def _flush_later(self, delay: timedelta) -> None:
        due = self.clock.now() + delay
        self._retry = self.clock.call_at(due, self.name, messages.Flush())

    def _write(self, group: Sequence[Entry], held: list[Entry]) -> None:
        """Write neighbours of one kind together, so that the order among the kinds is kept."""
        start = 0
        for end in range(1, len(group) + 1):
            if end == len(group) or type(group[end]) is not type(group[start]):
                self._write_alike(group[start:end], held)
                start = end

    def _write_alike(self, entries: Sequence[Any], held: list[Entry]) -> None:
        match entries[0]:
            case messages.RecordSettlement():
                self._bisected(entries, self._settle, self._refuse, held)
            case messages.RecordIntent():
                self._bisected(entries, self._intend, self._refuse_step, held)
            case messages.RecordOutcome():
                self._bisected(entries, self._outcomes, self._refuse_step, held)
            case messages.UsageWanted():
                for wanted in entries:
                    self._load_usage(wanted)
            case messages.HandBackJobs() if held:
                # Jobs are not handed back while an ending that came before is unwritten, or a
                # finished job would run again.
                held.extend(entries)
            case messages.HandBackJobs():
                for request in entries:
                    self._hand_back(request)
            case other:
                self.log.warning("unexpected message", message=type(other).__name__)

    def _bisected(
        self,
        entries: Sequence[Any],
        write: Callable[[Sequence[Any]], list[Any]],
        refuse: Callable[[Any, DatabaseRefused], None],
        held: list[Entry],
    ) -> None:
        """Write entries; halve a refused group until the offender stands alone.

        One entry with a value that the database refuses must not keep the others unwritten.
        """
        try:
            held.extend(write(entries))
        except DatabaseRefused as error:
            if len(entries) == 1:
                refuse(entries[0], error)
                return
            middle = len(entries) // 2
            self._bisected(entries[:middle], write, refuse, held)
            self._bisected(entries[middle:], write, refuse, held)

    def _settle(
        self, entries: Sequence[messages.RecordSettlement]
    ) -> list[messages.RecordSettlement]:
        with self._database.transaction("settle") as session:
            result = settlements.settle_jobs(session, [entry.settlement for entry in entries])
        held = []
        for entry in entries:
            job_id, fence = entry.settlement.job_id, entry.settlement.fence
            if job_id in result.held:
                held.append(entry)
                continue
            written = job_id in result.written
            self.tell(entry.reply_to, messages.SettlementRecorded(job_id, fence, written))
        return held

    def _refuse(self, entry: messages.RecordSettlement, error: DatabaseRefused) -> None:
        settlement = entry.settlement
        self.log.error("settlement refused", job=settlement.job_id, reason=str(error))
        self.tell(
            entry.reply_to,
            messages.SettlementInvalid(settlement.job_id, settlement.fence, str(error)),
        )

    def _intend(self, entries: Sequence[messages.RecordIntent]) -> list[messages.RecordIntent]:
        with self._database.transaction("intend") as session:
            result = journal_rows.record_intents(session, entries)
        held = []
        for entry in entries:
            owned = journal_rows.step_key(entry.ticket, entry.name) in result.written
            if not owned and entry.ticket.job_id in result.held:
                held.append(entry)
            else:
                self.tell(entry.ticket.reply_to, messages.IntentRecorded(entry.ticket, owned))
        return held

    def _outcomes(self, entries: Sequence[messages.RecordOutcome]) -> list[messages.RecordOutcome]:
        with self._database.transaction("record") as session:
            result = journal_rows.record_outcomes(session, entries)
        held = []
        for entry in entries:
            key = journal_rows.step_key(entry.ticket, entry.step.name)
            if key not in result.written and entry.ticket.job_id in result.held:
                held.append(entry)
                continue
            written = key in result.written
            outcome = (
                Success(result.written[key])
                if written
                else Failure(FenceLost(entry.ticket.job_id, entry.ticket.fence))
            )
            self.tell(entry.ticket.reply_to, messages.CallEnded(entry.ticket, outcome))
        return held

    def _refuse_step(
        self, entry: messages.RecordIntent | messages.RecordOutcome, error: DatabaseRefused
    ) -> None:
        self.log.error("step refused", job=entry.ticket.job_id, reason=str(error))
        self.tell(entry.ticket.reply_to, messages.CallEnded(entry.ticket, Failure(error)))

    def _write_progress(self) -> None:
        if not self._progress:
            return
        try:
            with self._database.transaction("progress") as session:
                # Progress is for people to look at: if it is refused, no run has to know.
                settlements.record_progress(session, list(self._progress.values()))
        except DatabaseRefused as error:
            self.log.warning("progress refused", reason=str(error))
        self._progress.clear()

    def _write_presence(self) -> None:
        try:
            with self._database.transaction("presence") as session:
                is_written = presence.record_presence(session, self._node_id, self._presence)
        except DatabaseUnavailable as error:
            self.log.warning("database away, presence is kept", reason=str(error))
            is_written = False
        if is_written:
            self._presence.clear()
        else:
            # A node that was taken for dead comes back with its next heartbeat.
            self._write_presence_later(LONGEST_RETRY)

    def _write_presence_later(self, delay: timedelta) -> None:
        due = self.clock.now() + delay
        self._presence_due = self.clock.call_at(due, self.name, messages.PresenceDue())

    def _write_usage(self) -> None:
        if self._usage:
            with self._database.transaction("usage") as session:
                budget_usage.record_usage(session, list(self._usage.values()))
            self._usage.clear()

    def _load_usage(self, wanted: messages.UsageWanted) -> None:
        with self._database.transaction("usage") as session:
            usage = budget_usage.load_usage(session, wanted.marketplace)
        self.tell(wanted.reply_to, messages.UsageLoaded(usage))

    def _hand_back(self, request: messages.HandBackJobs) -> None:
        with self._database.transaction("hand_back") as session:
            suspects = () if request.suspect is None else (request.suspect,)
            shops = membership.hand_back_jobs(
                session, self._node_id, marketplace=request.marketplace, suspects=suspects
            )
        count = sum(map(len, shops.values()))
        self.tell(request.reply_to, messages.JobsHandedBack(request.marketplace, count))
