"""Carries out the calls of one marketplace's runs: out to other actors, and back."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from actors.job_code import JobCode
from actors.lane_run import LaneCall, LaneRun
from actors.pace import CallPace
from actors.worker_pool import WorkerPool
from runtime import messages
from runtime.answers.limit_keeper import Changes
from runtime.errors import ConnectionLost, HeldUp
from runtime.marketplaces.record import Marketplace
from runtime.messages import CallEnded, CallTicket
from runtime.process.clock import Clock
from runtime.process.lease import Lease
from runtime.runs.calls import (
    AwaitQuiet,
    BlockingCall,
    Failure,
    HttpCall,
    Outcome,
    ProgressCall,
    RecordStep,
    SleepCall,
    Success,
    TransactionCall,
    WebSocketCall,
)
from runtime.runs.execution import Perform

# 144 random bits: any page may answer a command whose id it knows, so nobody may guess one.
REQUEST_ID_BYTES = 18


class Dispatcher:
    """Knows how each kind of call is carried out.

    A write leaves in two steps: when its turn comes, its intent is recorded (:meth:`_intend`), and
    it leaves when the recorder has committed that (:meth:`intent_recorded`, :meth:`_leave`)::

        perform ─► pace ─► turn ─┬─ a read ───────────────────────► leave ─► ended
                                 └─ a write ─► recorder: intent ─►

    Args:
        actor: the name of the marketplace actor, to which outcomes go.
        tell: sends a message to an actor.
        make_known: is told which scopes an answer closes and opens.
        find_run: returns the run that a ticket belongs to, or None if the run is over.
        code: shows for which job the actor works.

    Attributes:
        pace: decides when calls to the marketplace leave.
    """

    def __init__(
        self,
        actor: str,
        marketplace: Marketplace,
        clock: Clock,
        workers: WorkerPool,
        lease: Lease,
        tell: Callable[[str, Any], None],
        make_known: Callable[[Changes], None],
        find_run: Callable[[CallTicket], LaneRun | None],
        code: JobCode,
    ) -> None:
        self._actor = actor
        self._marketplace = marketplace.name
        self._clock = clock
        self._workers = workers
        self._lease = lease
        self._tell = tell
        self._find_run = find_run
        self._code = code
        self.pace = CallPace(actor, marketplace, clock, tell, make_known, self._take_turn)

    def perform(self, run: LaneRun, effect: Perform) -> None:
        """Carry the call out, now or when its turn comes."""
        ticket = run.ticket(self._actor, effect.call_id)
        outstanding = run.calls[effect.call_id] = LaneCall(effect, ticket=ticket)
        run.steps.asked(effect, self._clock.now())
        match effect.call:
            case WebSocketCall() | HttpCall():
                self.pace.put(run, ticket)
            case SleepCall(duration):
                due = self._clock.now() + duration
                self._clock.call_at(due, self._actor, CallEnded(ticket, Success(None)))
            case ProgressCall() as call:
                progress = messages.RecordProgress(run.job.id, run.job.fence, call.as_json())
                self._tell(messages.RECORDER, progress)
                # Through the mailbox, so that a handler that does nothing else holds nobody up.
                self._tell(self._actor, CallEnded(ticket, Success(None)))
            case BlockingCall() as call:
                outstanding.left = True
                self._workers.run_blocking(ticket, call)
                # A thread cannot be ended from outside, so the run only stops waiting for it. The
                # first of the two outcomes counts; for the second no call is outstanding.
                late = CallEnded(ticket, call.late(run.job.timeout))
                self._clock.call_at(self._clock.now() + run.job.timeout, self._actor, late)
            case TransactionCall() as call:
                outstanding.left = True
                # No timeout here: a transaction that may be committed must not be given up for
                # failed.
                self._workers.run_transaction(ticket, run.job, call, effect.within)
            case RecordStep(name) as call:
                took = run.steps.took(name, self._clock.now())
                task_type = run.steps.task_types.get(name)
                outcome = messages.RecordOutcome(ticket, call, task_type, effect.within, took)
                self._record(outstanding, outcome)
            case AwaitQuiet() as call:
                now = self._clock.now()
                until = run.steps.quiet_at(call, now)
                answer = CallEnded(ticket, Success(until > now))
                self._clock.call_at(max(until, now), self._actor, answer)

    def intent_recorded(self, run: LaneRun, call_id: int) -> None:
        """Let a write leave, because its intent is committed."""
        call = run.calls.get(call_id)
        # The recorder may be asked twice and then answers twice; the entry is there only once.
        if call is not None and call.entry is not None:
            call.entry = None
            self._leave(run, call)

    def ended(self, run: LaneRun, call_id: int, outcome: Outcome) -> bool:
        """Count an outcome in; returns False if nobody waits for it."""
        call = run.calls.get(call_id)
        if call is None:
            return False
        self._note_quiet(run, call)
        if call.sent is not None:
            self.pace.answered(call.sent, outcome)
        self._land(run, call)
        self.pace.pump()
        return True

    def withdraw(self, run: LaneRun, call_ids: Iterable[int]) -> None:
        """Take calls back whose outcomes nobody waits for any more."""
        for call in [run.calls[one] for one in call_ids if one in run.calls]:
            if call.command is not None:
                withdrawn = messages.BrowserCommandWithdrawn(call.command.request_id)
                self._tell(messages.BRIDGE, withdrawn)
            self.pace.withdraw(call.ticket)
            self._land(run, call)
        # The queue is only looked at when all are withdrawn, or the place of a call would go to
        # another call that is about to be withdrawn.
        self.pace.pump()

    def withdraw_all(self, run: LaneRun) -> None:
        """Take all calls of a run back that ended or was dropped."""
        self.withdraw(run, list(run.calls))

    def ask_again(self, run: LaneRun, actor: str) -> None:
        """Ask an actor again that began anew and forgot what it was asked.

        The recorder can write an entry twice without harm. The bridge is told that the command may
        have been sent before. An HTTP request cannot be asked about, so its outcome is unknown.
        """
        for call in run.calls.values():
            if actor == messages.RECORDER and call.entry is not None:
                self._tell(messages.RECORDER, call.entry)
            elif actor == messages.BRIDGE and call.left and call.command is not None:
                call.command = replace(call.command, repeated=True)
                self._tell(messages.BRIDGE, call.command)
            elif actor == messages.HTTP and call.left and isinstance(call.call, HttpCall):
                # The thread that had the request may go on, so a write is looked up and not sent
                # again.
                lost = ConnectionLost("the HTTP actor failed", writes=call.call.writes)
                self._tell(self._actor, CallEnded(call.ticket, Failure(lost)))

    def _take_turn(self, ticket: CallTicket) -> bool:
        """Send the call whose turn has come; returns False if nobody waits for it any more."""
        run = self._find_run(ticket)
        call = None if run is None else run.calls.get(ticket.call_id)
        if run is None or call is None:
            return False
        # The turn may come while the actor works for another job, or for none.
        with self._code.of(run.job.id):
            self._send(run, call)
        return True

    def _send(self, run: LaneRun, call: LaneCall) -> None:
        call.has_place = True
        if isinstance(call.call, WebSocketCall):
            call.command = self._browser_command(run, call.ticket, call.call)
        if call.call.writes and call.effect.step is not None:
            self._intend(run, call, call.effect.step)
        else:
            self._leave(run, call)

    def _intend(self, run: LaneRun, call: LaneCall, step: str) -> None:
        assert isinstance(call.call, WebSocketCall | HttpCall)
        # The intent is recorded now and not when the handler asked for the write: the time until
        # which the write may leave would run out while it waits for its pace.
        now = self._clock.now()
        leaves_within = self._lease.leaves_within(now)
        call.released_at, call.not_after = now, now + leaves_within
        run.steps.intends(step, call.call)
        request_id = call.command.request_id if call.command else None
        intent = messages.RecordIntent.of(call.ticket, call.effect, leaves_within, request_id)
        self._record(call, intent)

    def _leave(self, run: LaneRun, call: LaneCall) -> None:
        not_after, call.not_after = call.not_after, None
        # After this time another node may have taken the job over and done the write itself.
        now = self._clock.now()
        if not_after is not None and now >= not_after:
            late = HeldUp("this node has not confirmed its heartbeat, so it sends no writes")
            self._tell(self._actor, CallEnded(call.ticket, Failure(late)))
            return
        call.left = True
        call.sent = self.pace.left(run, call.call, call.released_at, now)
        if isinstance(call.call, HttpCall):
            timeout = call.call.timeout or run.job.timeout
            request = messages.HttpRequest(
                call.ticket, self._marketplace, run.job.shop.id, call.call, timeout, not_after
            )
            self._tell(messages.HTTP, request)
        elif call.command is not None:
            call.command = replace(call.command, not_after=not_after)
            self._tell(messages.BRIDGE, call.command)

    def _browser_command(
        self, run: LaneRun, ticket: CallTicket, call: WebSocketCall
    ) -> messages.BrowserCommand:
        return messages.BrowserCommand(
            ticket=ticket,
            request_id=secrets.token_urlsafe(REQUEST_ID_BYTES),
            user_id=run.job.user_id,
            action=call.action,
            payload=call.payload,
            timeout=call.timeout or run.job.timeout,
            writes=call.writes,
        )

    def _record(
        self, call: LaneCall, entry: messages.RecordIntent | messages.RecordOutcome
    ) -> None:
        call.entry = entry
        self._tell(messages.RECORDER, entry)

    def _note_quiet(self, run: LaneRun, call: LaneCall) -> None:
        asked, step = call.call, call.effect.step
        if step is None or not call.left:
            return
        if asked.writes and isinstance(asked, WebSocketCall | HttpCall):
            run.steps.write_answered(step, asked, self._clock.now())

    def _land(self, run: LaneRun, call: LaneCall) -> None:
        del run.calls[call.effect.call_id]
        if call.has_place:
            self.pace.place_freed(run)
