"""Carries out the calls of one run, one after the other, in the thread that runs it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any

from runtime.errors import (
    DatabaseRefused,
    FenceLost,
    HandlerError,
    MarketplaceRuntimeError,
    OutcomeUnknown,
    SellerNotConnected,
)
from runtime.inline.entry_writer import write_one
from runtime.inline.node import InlineNode
from runtime.inline.pace import InlinePace
from runtime.messages import CallTicket, RecordIntent, RecordOutcome, RecordProgress
from runtime.products.media import Media
from runtime.runs.calls import (
    AwaitQuiet,
    BlockingCall,
    Call,
    Failure,
    HttpCall,
    MediaCall,
    Outcome,
    ProgressCall,
    RecordStep,
    SleepCall,
    Success,
    TransactionCall,
    WebSocketCall,
)
from runtime.runs.execution import Perform
from runtime.runs.job import Job
from runtime.runs.step_notes import StepNotes
from runtime.shops.authorized_transport import AuthorizedTransport
from runtime.storage.queue import journal_rows, settlements
from runtime.storage.queue.transactions import run_transaction
from runtime.storage.server.engine import Database

NOBODY = "inline"
"""This stands in place of an actor's name, because no actor gets the answer."""


@dataclass(slots=True)
class CallPerformer:
    """Performs the calls of one run.

    Attributes:
        steps: the notes about the steps of the run.
    """

    job: Job
    steps: StepNotes
    node: InlineNode
    database: Database
    transport: AuthorizedTransport
    media: Media
    pace: InlinePace

    def perform(self, effect: Perform) -> Outcome:
        """Carry one call out.

        Raises:
            FenceLost: the job belongs to another run; nothing more may be done.
            DatabaseUnavailable: the database stayed away; the next run goes on from the journal.
        """
        call = effect.call
        match call:
            case HttpCall():
                return self._http(effect, call)
            case WebSocketCall():
                # Only a service listens for browsers.
                return Failure(SellerNotConnected(self.job.user_id))
            case TransactionCall():
                return self._tried(lambda: self._transaction(call, effect.within))
            case BlockingCall():
                return self._blocking(call)
            case SleepCall(duration):
                time.sleep(duration.total_seconds())
                return Success(None)
            case ProgressCall():
                self._progress(call)
                return Success(None)
            case RecordStep():
                return self._record(effect, call)
            case AwaitQuiet():
                return self._await_quiet(call)
        return Failure(_unknown(call))

    def _blocking(self, call: BlockingCall) -> Outcome:
        """Call a function in a thread of its own, which is abandoned if it takes too long."""
        given = (self.media,) if isinstance(call, MediaCall) else ()
        answer: SimpleQueue[Outcome] = SimpleQueue()

        def work() -> None:
            try:
                with self.node.marker.running(self.job.id):
                    answer.put(Success(call.function(*given, *call.arguments)))
            except BaseException as error:  # noqa: BLE001 - it is raised again in the handler
                answer.put(Failure(error))

        # A daemon, because the interpreter joins other threads at its exit: a function that blocks
        # for ever would keep the process from ending.
        threading.Thread(target=work, name="blocking", daemon=True).start()
        try:
            return answer.get(timeout=self.job.timeout.total_seconds())
        except Empty:
            return call.late(self.job.timeout)

    def _tried(self, function: Callable[[], Any]) -> Outcome:
        try:
            with self.node.marker.running(self.job.id):
                return Success(function())
        except FenceLost:
            # This is not for the handler, which could catch it and go on without owning the job.
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised again in the handler
            return Failure(error)

    def _transaction(self, call: TransactionCall, within: str | None) -> Any:
        return run_transaction(self.database, self.job, call, self.node.stopping, within)

    def _progress(self, call: ProgressCall) -> None:
        made = RecordProgress(self.job.id, self.job.fence, call.as_json())
        try:
            with self.database.transaction("progress") as session:
                settlements.record_progress(session, [made])
        except DatabaseRefused:
            pass  # As with any other run: it is only for people to look at.

    # --- HTTP -----------------------------------------------------------------------------

    def _http(self, effect: Perform, call: HttpCall) -> Outcome:
        try:
            self.pace.wait_for_turn(self.job, self.node.clock.now)
        except MarketplaceRuntimeError as error:
            return Failure(error)
        not_after: datetime | None = None
        if call.writes and effect.step is not None:
            try:
                not_after = self._intend(effect, call, effect.step)
            except BaseException as error:
                # The place in the queue would otherwise stay taken, and the next call would wait
                # for ever.
                self.pace.given_up()
                if isinstance(error, DatabaseRefused):
                    return Failure(error)
                raise
        sent = self.pace.sent(self.job, call, self.node.clock.now())
        outcome = self._sent(
            self.job.shop.id, call, call.timeout or self.job.timeout, not_after=not_after
        )
        now = self.node.clock.now()
        if call.writes and effect.step is not None:
            self.steps.write_answered(effect.step, call, now)
        self.pace.answered(sent, outcome, now, self._sent)
        return outcome

    def _sent(
        self,
        shop_id: int,
        call: HttpCall,
        timeout: timedelta,
        *,
        not_after: datetime | None = None,
    ) -> Outcome:
        try:
            return self.transport.perform(
                self.job.marketplace,
                shop_id,
                call,
                timeout,
                lambda: not_after is None or self.node.clock.now() < not_after,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the call may have left
            unknown = OutcomeUnknown(f"the call went wrong: {error}", writes=call.writes)
            return Failure(unknown)

    def _intend(self, effect: Perform, call: HttpCall, step: str) -> datetime:
        now = self.node.clock.now()
        leaves_within = self.node.lease.leaves_within(now)
        self.steps.intends(step, call)
        # The handler's own values are looked at here, which may be hostile.
        with self.node.marker.running(self.job.id):
            intent = RecordIntent.of(self._ticket(effect), effect, leaves_within, None)
        result = write_one(
            self.database,
            "intend",
            self.job.id,
            lambda session: journal_rows.record_intents(session, [intent]),
        )
        if not result.written:
            raise FenceLost(self.job.id, self.job.fence)
        return now + leaves_within

    # --- steps ----------------------------------------------------------------------------

    def _record(self, effect: Perform, call: RecordStep) -> Outcome:
        ticket = self._ticket(effect)
        entry = RecordOutcome(ticket, call, self.steps.task_types.get(call.name), effect.within)
        try:
            result = write_one(
                self.database,
                "record",
                self.job.id,
                lambda session: journal_rows.record_outcomes(session, [entry]),
            )
        except DatabaseRefused as error:
            return Failure(error)
        key = journal_rows.step_key(ticket, call.name)
        if key not in result.written:
            raise FenceLost(self.job.id, self.job.fence)
        return Success(result.written[key])

    def _await_quiet(self, call: AwaitQuiet) -> Outcome:
        now = self.node.clock.now()
        wait = self.steps.quiet_at(call, now) - now
        time.sleep(max(wait.total_seconds(), 0))
        return Success(wait > timedelta(0))

    def _ticket(self, effect: Perform) -> CallTicket:
        return CallTicket(NOBODY, self.job.id, self.job.fence, effect.call_id)


def _unknown(call: Call) -> HandlerError:
    return HandlerError(f"{type(call).__name__} cannot be carried out here")
