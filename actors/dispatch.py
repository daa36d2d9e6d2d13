"""Sends the calls of one marketplace's runs, each when its budgets and its lane allow."""

import random
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from actors.runs import Quiet, Run
from actors.worker_pool import WorkerPool
from runtime import messages
from runtime.answers.limit_keeper import INQUIRY_TIME, Changes, LimitKeeper
from runtime.errors import ConnectionLost, HeldUp
from runtime.marketplaces.record import Marketplace
from runtime.messages import CallSettled, CallTicket
from runtime.process.alarm import Alarm
from runtime.process.clock import Clock
from runtime.process.lease import Lease
from runtime.rate_limits import BudgetTree
from runtime.rate_limits.call_queue import CallQueue, Wish
from runtime.rate_limits.closures import Closure, Scope, path
from runtime.runs.account_trouble import AccountTrouble
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
from runtime.runs.request_record import request_record

REQUEST_ID_BYTES = 18
INQUIRY = 0
"""In the place of a job's id: nobody's call but the dispatcher's own, about a limit."""

log = structlog.get_logger(__name__)


class Dispatcher:
    """Knows how each kind of call is carried out.

    Args:
        actor: name of the marketplace actor, to which outcomes go.
        tell: sends a message to an actor.
        find_run: the run that a ticket belongs to, while it goes on.

    Attributes:
        budgets: what was used, what is closed, and what is free.
    """

    def __init__(
        self,
        actor: str,
        marketplace: Marketplace,
        clock: Clock,
        workers: WorkerPool,
        lease: Lease,
        tell: Callable[[str, Any], None],
        find_run: Callable[[CallTicket], Run | None],
    ) -> None:
        self._actor = actor
        self._marketplace = marketplace
        self._clock = clock
        self._workers = workers
        self._lease = lease
        self._tell = tell
        self._find_run = find_run
        places = 1 if marketplace.browser_bound else marketplace.lane_calls
        draw = random.random
        self.budgets = BudgetTree(marketplace.budgets)
        self._queue: CallQueue[CallTicket] = CallQueue(marketplace.name, self.budgets, places, draw)
        self._limits = LimitKeeper(
            marketplace.name, marketplace.read_answer, marketplace.read_commonly,
            marketplace.limit_inquiry, self.budgets, self._queue, self._complain,
        )  # fmt: skip
        self._alarm = Alarm(clock, actor, messages.CallsReleased())
        self._usage_known = False
        # Where a limit is counted, nothing leaves until it is known what was used before.
        self._waits_for_usage = marketplace.budgets.counts
        self._inquiries: dict[int, Scope] = {}
        self._inquiry_count = 0
        self._closed = False

    def started(self) -> None:
        """Ask what was used before this process, or this actor, began."""
        wanted = messages.UsageWanted(self._actor, self._marketplace.name)
        self._tell(messages.RECORDER, wanted)

    def perform(self, run: Run, effect: Perform) -> None:
        """Carry the call out, now or when it is its turn."""
        call_id, call = effect.call_id, effect.call
        run.calls[call_id] = call
        if effect.step is not None:
            run.steps[call_id] = effect.step
            if effect.within is not None:
                run.within[effect.step] = effect.within
            if not isinstance(call, RecordStep):
                run.step_began(effect.step, self._clock.now())
        ticket = run.ticket(self._actor, call_id)
        match call:
            case WebSocketCall() | HttpCall():
                self._queue.put(_wish(run, ticket), self._clock.now())
                self.pump()
            case SleepCall(duration):
                due = self._clock.now() + duration
                self._clock.call_at(due, self._actor, CallSettled(ticket, Success(None)))
            case ProgressCall():
                self._record_progress(run, call)
                # Through the mailbox, so that a handler that does nothing else holds nobody up.
                self._tell(self._actor, CallSettled(ticket, Success(None)))
            case BlockingCall():
                run.left.add(call_id)
                self._workers.run_blocking(ticket, call)
                late = CallSettled(ticket, call.late(run.job.timeout))
                self._clock.call_at(self._clock.now() + run.job.timeout, self._actor, late)
            case TransactionCall():
                run.left.add(call_id)
                self._workers.run_transaction(ticket, run.job, call, effect.within)
            case RecordStep(name):
                task_type = run.task_types.get(name)
                now = self._clock.now()
                took = now - run.began_at.pop(name, now)
                outcome = messages.RecordOutcome(ticket, call, task_type, effect.within, took)
                self._record(run, call_id, outcome)
            case AwaitQuiet():
                self._await_quiet(run, ticket, call)

    def pump(self) -> None:
        """Send the calls whose turn has come."""
        if self._closed or self._waits_for_usage:
            return
        while self._send_released():
            pass
        self._alarm.set(self._queue.next_due())

    def _send_released(self) -> bool:
        """Send what may leave now; whether some of it was not wanted, and left its place."""
        now = self._clock.now()
        turn = self._queue.take(now)
        for ticket, blocked in turn.refused:
            self._make_known(self._limits.refused(blocked, now))
            # What was used up is a closure by now.
            closed = Failure(blocked.closed(is_closure=True))
            self._tell(self._actor, CallSettled(ticket, closed))
        if used := self.budgets.changed():
            self._tell(messages.RECORDER, messages.RecordUsage(used))
        place_left = False
        for wish in turn.released:
            run = self._find_run(wish.item)
            if run is None or wish.item.call_id not in run.calls:
                self._queue.place_freed(wish.lane)
                place_left = True
            else:
                self._send(run, wish.item)
        return place_left

    def usage_loaded(self, loaded: messages.UsageLoaded) -> None:
        """Count what was used before, once."""
        if not self._usage_known:
            self._usage_known, self._waits_for_usage = True, False
            self.budgets.restore(loaded.usage)
            self.pump()

    def closures_loaded(self, closures: Iterable[Closure]) -> None:
        """Hold closed what is said to be, and nothing else."""
        self._limits.loaded(closures)
        self.pump()

    def intent_recorded(self, run: Run, call_id: int) -> None:
        """The write may leave now."""
        if run.entries.pop(call_id, None) is not None:
            self._leave(run, call_id)

    def settled(self, run: Run, call_id: int, outcome: Outcome) -> bool:
        """Count an outcome in; False where nobody waits for it."""
        if call_id not in run.calls:
            return False
        self._note_quiet(run, call_id)
        sent = run.sent.get(call_id)
        if sent is not None:
            self._make_known(self._limits.answered(sent, outcome, self._clock.now()))
        self._land(run, call_id)
        self.pump()
        return True

    def troubled(self, shop_id: int, trouble: AccountTrouble) -> None:
        """Send nothing more for the shop."""
        self._make_known(self._limits.troubled(shop_id, trouble, self._clock.now()))
        self.pump()

    def inquiry_settled(self, settled: CallSettled) -> None:
        """An outcome came that no run waits for; it may be that of an inquiry."""
        if settled.ticket.job_id != INQUIRY:
            return
        scope = self._inquiries.pop(settled.ticket.call_id, None)
        if scope is not None:
            outcome = settled.outcome
            self._make_known(self._limits.inquired(scope, outcome, self._clock.now()))
            self.pump()

    def withdraw(self, run: Run, call_ids: Iterable[int]) -> None:
        """Nobody waits for these outcomes any more."""
        for call_id in call_ids:
            request = run.requests.get(call_id)
            if request is not None:
                self._tell(messages.BRIDGE, messages.BrowserRequestWithdrawn(request.request_id))
            self._queue.withdraw(run.ticket(self._actor, call_id))
            self._land(run, call_id)
        # Only now: the place that one of them leaves must not go to another of them.
        self.pump()

    def withdraw_all(self, run: Run) -> None:
        """The run ended or was dropped."""
        self.withdraw(run, list(run.calls))

    def in_flight(self, run: Run) -> int:
        """How many places of the run's lane are taken."""
        return self._queue.in_flight(run.lane.key)

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True

    def ask_again(self, run: Run, actor: str) -> None:
        """An actor forgot what it was asked."""
        if actor == messages.BRIDGE:
            for call_id, request in run.requests.items():
                if call_id not in run.left:
                    continue
                run.requests[call_id] = replace(request, repeated=True)
                self._tell(messages.BRIDGE, run.requests[call_id])
        elif actor == messages.RECORDER:
            for entry in run.entries.values():
                self._tell(messages.RECORDER, entry)
        elif actor == messages.HTTP:
            for call_id in sorted(run.left):
                call = run.calls[call_id]
                if isinstance(call, HttpCall):
                    lost = ConnectionLost("the HTTP actor failed", writes=call.writes)
                    settled = CallSettled(run.ticket(self._actor, call_id), Failure(lost))
                    self._tell(self._actor, settled)

    def _send(self, run: Run, ticket: CallTicket) -> None:
        call_id = ticket.call_id
        call = run.calls[call_id]
        run.placed.add(call_id)
        if isinstance(call, WebSocketCall):
            run.requests[call_id] = self._browser_request(run, ticket, call)
        name = run.steps.get(call_id)
        if call.writes and name is not None:
            run.released_at[call_id] = self._clock.now()
            self._record(run, call_id, self._intent(run, ticket, name))
        else:
            self._leave(run, call_id)

    def _intent(self, run: Run, ticket: CallTicket, name: str) -> messages.RecordIntent:
        call = run.calls[ticket.call_id]
        assert isinstance(call, WebSocketCall | HttpCall)
        now = self._clock.now()
        # At least a moment, so that a scope whose lease ran out sends nothing but looks again.
        leaves_within = max(self._lease.until - now, timedelta(0))
        run.not_after[ticket.call_id] = now + leaves_within
        run.task_types[name] = "websocket" if isinstance(call, WebSocketCall) else "http"
        request = run.requests.get(ticket.call_id)
        return messages.RecordIntent(
            ticket,
            name,
            run.task_types[name],
            request.request_id if request else None,
            request_record(call),
            leaves_within,
            call.settles_within,
            run.within.get(name),
        )

    def _leave(self, run: Run, call_id: int) -> None:
        call = run.calls[call_id]
        ticket = run.ticket(self._actor, call_id)
        not_after = run.not_after.pop(call_id, None)
        now = self._clock.now()
        if not_after is not None and now >= not_after:
            late = HeldUp("this node has not confirmed its heartbeat, so it sends no writes")
            self._tell(self._actor, CallSettled(ticket, Failure(late)))
            return
        run.left.add(call_id)
        shop_id, lane = run.job.shop.id, run.lane.key
        run.sent[call_id] = self._limits.leaves(shop_id, run.job.action, lane, call, now)
        released_at = run.released_at.pop(call_id, now)
        if released_at < now:
            scopes = path(self._marketplace.name, shop_id, run.job.action)
            self.budgets.left(scopes, released_at, now)
        if isinstance(call, HttpCall):
            timeout = call.timeout or run.job.timeout
            request = messages.HttpRequest(
                ticket, self._marketplace.name, shop_id, call, timeout, not_after
            )
            self._tell(messages.HTTP, request)
        else:
            run.requests[call_id] = replace(run.requests[call_id], not_after=not_after)
            self._tell(messages.BRIDGE, run.requests[call_id])

    def _browser_request(
        self, run: Run, ticket: CallTicket, call: WebSocketCall
    ) -> messages.BrowserRequest:
        return messages.BrowserRequest(
            ticket=ticket,
            request_id=secrets.token_urlsafe(REQUEST_ID_BYTES),
            user_id=run.job.user_id,
            action=call.action,
            payload=call.payload,
            timeout=call.timeout or run.job.timeout,
            writes=call.writes,
        )

    def _record(
        self, run: Run, call_id: int, entry: messages.RecordIntent | messages.RecordOutcome
    ) -> None:
        run.entries[call_id] = entry
        self._tell(messages.RECORDER, entry)

    def _record_progress(self, run: Run, call: ProgressCall) -> None:
        progress = {"current": call.current, "total": call.total, "message": call.message}
        record = messages.RecordProgress(run.job.id, run.job.fence, progress)
        self._tell(messages.RECORDER, record)

    def _await_quiet(self, run: Run, ticket: CallTicket, call: AwaitQuiet) -> None:
        now = self._clock.now()
        quiet = run.quiet.get(call.name)
        until = now if quiet is None else (quiet.settling if call.settled else quiet.leaving)
        answer = CallSettled(ticket, Success(until > now))
        self._clock.call_at(max(until, now), self._actor, answer)

    def _note_quiet(self, run: Run, call_id: int) -> None:
        """A write that has its outcome left before now, however long it had to wait for that."""
        call, name = run.calls[call_id], run.steps.get(call_id)
        if name is None or call_id not in run.left:
            return
        if call.writes and isinstance(call, WebSocketCall | HttpCall):
            now = self._clock.now()
            settling = now + call.settles_within
            known = run.quiet.get(name)
            run.quiet[name] = Quiet(now, max(settling, known.settling) if known else settling)

    def _land(self, run: Run, call_id: int) -> None:
        kept = (run.calls, run.requests, run.steps, run.entries, run.not_after)
        for of_call in (*kept, run.released_at, run.sent):
            of_call.pop(call_id, None)
        run.left.discard(call_id)
        if call_id in run.placed:
            run.placed.discard(call_id)
            self._queue.place_freed(run.lane.key)

    def _make_known(self, changes: Changes) -> None:
        # Of a scope that was opened to be closed until another time, the closure is the last word.
        for scope, kind in changes.opened:
            log.info("budget opened", scope=str(scope), kind=kind.value)
            self._tell(messages.RECORDER, messages.RecordOpening(scope, kind))
        for closure in changes.closed:
            log.warning("budget closed", scope=str(closure.scope), reason=closure.reason,
                        until=closure.until and closure.until.isoformat())  # fmt: skip
            self._tell(messages.RECORDER, messages.RecordClosure(closure))
        if changes.inquire is not None:
            self._inquire(*changes.inquire)

    def _inquire(self, scope: Scope, shop_id: int) -> None:
        inquiry = self._marketplace.limit_inquiry
        assert inquiry is not None
        self._inquiry_count += 1
        # Of one scope only the last counts; the answer to a former one got lost, or is late.
        others = {key: one for key, one in self._inquiries.items() if one != scope}
        self._inquiries = {**others, self._inquiry_count: scope}
        ticket = CallTicket(self._actor, INQUIRY, 0, self._inquiry_count)
        name, call = self._marketplace.name, inquiry.call
        request = messages.HttpRequest(ticket, name, shop_id, call, INQUIRY_TIME)
        self._tell(messages.HTTP, request)

    def _complain(self, error: Exception) -> None:
        log.error("the marketplace's reader of answers failed",
                  marketplace=self._marketplace.name, error=repr(error))  # fmt: skip


def _wish(run: Run, ticket: CallTicket) -> Wish[CallTicket]:
    job = run.job
    lane = run.lane.key
    return Wish(ticket, job.shop.id, job.action, lane, job.priority, job.rate_limit)
