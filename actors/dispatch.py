"""Sends the calls of one marketplace's runs, each when its budgets and its lane allow."""

import random
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import structlog

from actors.lane_run import LaneCall, LaneRun
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
        find_run: Callable[[CallTicket], LaneRun | None],
    ) -> None:
        self._actor = actor
        self._marketplace = marketplace
        self._clock = clock
        self._workers = workers
        self._lease = lease
        self._tell = tell
        self._find_run = find_run
        places, draw = marketplace.lanes.calls, random.random
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

    def perform(self, run: LaneRun, effect: Perform) -> None:
        """Carry the call out, now or when it is its turn."""
        ticket = run.ticket(self._actor, effect.call_id)
        outstanding = run.calls[effect.call_id] = LaneCall(effect, ticket=ticket)
        run.steps.asked(effect, self._clock.now())
        match effect.call:
            case WebSocketCall() | HttpCall():
                self._queue.put(_wish(run, ticket), self._clock.now())
                self.pump()
            case SleepCall(duration):
                due = self._clock.now() + duration
                self._clock.call_at(due, self._actor, CallSettled(ticket, Success(None)))
            case ProgressCall() as call:
                progress = messages.RecordProgress(run.job.id, run.job.fence, call.as_json())
                self._tell(messages.RECORDER, progress)
                # Through the mailbox, so that a handler that does nothing else holds nobody up.
                self._tell(self._actor, CallSettled(ticket, Success(None)))
            case BlockingCall() as call:
                outstanding.left = True
                self._workers.run_blocking(ticket, call)
                late = CallSettled(ticket, call.late(run.job.timeout))
                self._clock.call_at(self._clock.now() + run.job.timeout, self._actor, late)
            case TransactionCall() as call:
                outstanding.left = True
                self._workers.run_transaction(ticket, run.job, call, effect.within)
            case RecordStep(name) as call:
                took = run.steps.took(name, self._clock.now())
                task_type = run.steps.task_types.get(name)
                outcome = messages.RecordOutcome(ticket, call, task_type, effect.within, took)
                self._record(outstanding, outcome)
            case AwaitQuiet() as call:
                now = self._clock.now()
                until = run.steps.quiet_at(call, now)
                answer = CallSettled(ticket, Success(until > now))
                self._clock.call_at(max(until, now), self._actor, answer)

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
            call = None if run is None else run.calls.get(wish.item.call_id)
            if run is None or call is None:
                self._queue.place_freed(wish.lane)
                place_left = True
            else:
                self._send(run, call)
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

    def intent_recorded(self, run: LaneRun, call_id: int) -> None:
        """The write may leave now."""
        call = run.calls.get(call_id)
        if call is not None and call.entry is not None:
            call.entry = None
            self._leave(run, call)

    def settled(self, run: LaneRun, call_id: int, outcome: Outcome) -> bool:
        """Count an outcome in; False where nobody waits for it."""
        call = run.calls.get(call_id)
        if call is None:
            return False
        self._note_quiet(run, call)
        if call.sent is not None:
            self._make_known(self._limits.answered(call.sent, outcome, self._clock.now()))
        self._land(run, call)
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

    def withdraw(self, run: LaneRun, call_ids: Iterable[int]) -> None:
        """Nobody waits for these outcomes any more."""
        for call in [run.calls[one] for one in call_ids if one in run.calls]:
            if call.request is not None:
                withdrawn = messages.BrowserRequestWithdrawn(call.request.request_id)
                self._tell(messages.BRIDGE, withdrawn)
            self._queue.withdraw(call.ticket)
            self._land(run, call)
        # Only now: the place that one of them leaves must not go to another of them.
        self.pump()

    def withdraw_all(self, run: LaneRun) -> None:
        """The run ended or was dropped."""
        self.withdraw(run, list(run.calls))

    def in_flight(self, run: LaneRun) -> int:
        """How many places of the run's lane are taken."""
        return self._queue.in_flight(run.lane.key)

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True

    def ask_again(self, run: LaneRun, actor: str) -> None:
        """An actor forgot what it was asked."""
        for call in run.calls.values():
            if actor == messages.RECORDER and call.entry is not None:
                self._tell(messages.RECORDER, call.entry)
            elif actor == messages.BRIDGE and call.left and call.request is not None:
                call.request = replace(call.request, repeated=True)
                self._tell(messages.BRIDGE, call.request)
            elif actor == messages.HTTP and call.left and isinstance(call.call, HttpCall):
                lost = ConnectionLost("the HTTP actor failed", writes=call.call.writes)
                self._tell(self._actor, CallSettled(call.ticket, Failure(lost)))

    def _send(self, run: LaneRun, call: LaneCall) -> None:
        call.has_place = True
        if isinstance(call.call, WebSocketCall):
            call.request = self._browser_request(run, call.ticket, call.call)
        if call.call.writes and call.effect.step is not None:
            self._intend(run, call, call.effect.step)
        else:
            self._leave(run, call)

    def _intend(self, run: LaneRun, call: LaneCall, step: str) -> None:
        assert isinstance(call.call, WebSocketCall | HttpCall)
        now = self._clock.now()
        leaves_within = self._lease.leaves_within(now)
        call.released_at, call.not_after = now, now + leaves_within
        run.steps.intends(step, call.call)
        request_id = call.request.request_id if call.request else None
        intent = messages.RecordIntent.of(call.ticket, call.effect, leaves_within, request_id)
        self._record(call, intent)

    def _leave(self, run: LaneRun, call: LaneCall) -> None:
        not_after, call.not_after = call.not_after, None
        now = self._clock.now()
        if not_after is not None and now >= not_after:
            late = HeldUp("this node has not confirmed its heartbeat, so it sends no writes")
            self._tell(self._actor, CallSettled(call.ticket, Failure(late)))
            return
        call.left = True
        shop_id, lane = run.job.shop.id, run.lane.key
        call.sent = self._limits.leaves(shop_id, run.job.action, lane, call.call, now)
        released_at, call.released_at = call.released_at or now, None
        if released_at < now:
            scopes = path(self._marketplace.name, shop_id, run.job.action)
            self.budgets.left(scopes, released_at, now)
        if isinstance(call.call, HttpCall):
            timeout = call.call.timeout or run.job.timeout
            request = messages.HttpRequest(
                call.ticket, self._marketplace.name, shop_id, call.call, timeout, not_after
            )
            self._tell(messages.HTTP, request)
        elif call.request is not None:
            call.request = replace(call.request, not_after=not_after)
            self._tell(messages.BRIDGE, call.request)

    def _browser_request(
        self, run: LaneRun, ticket: CallTicket, call: WebSocketCall
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


def _wish(run: LaneRun, ticket: CallTicket) -> Wish[CallTicket]:
    job = run.job
    lane = run.lane.key
    return Wish(ticket, job.shop.id, job.action, lane, job.priority, job.rate_limit)
