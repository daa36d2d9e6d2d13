"""Sends the calls of one marketplace's runs, each when its lane and its pace allow."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from actors.lanes import Lane
from actors.runs import Quiet, Run
from actors.worker_pool import WorkerPool
from runtime import messages
from runtime.budgets import Pacer
from runtime.calls import (
    AwaitQuiet,
    BlockingCall,
    Failure,
    HttpCall,
    ProgressCall,
    RecordStep,
    SleepCall,
    Success,
    TransactionCall,
    WebSocketCall,
)
from runtime.clock import Clock
from runtime.errors import CallTimeout, ConnectionLost, HeldUp
from runtime.execution import Perform
from runtime.hookspecs import Marketplace
from runtime.lease import Lease
from runtime.messages import CallSettled, CallTicket
from runtime.request_record import request_record

REQUEST_ID_BYTES = 18


class Dispatcher:
    """Knows how each kind of call is carried out.

    Args:
        actor: name of the marketplace actor, to which outcomes go.
        tell: sends a message to an actor.
        find_run: the run that a ticket belongs to, while it goes on.
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
        self._pacers: dict[tuple[int, str], Pacer] = {}
        self._lane_calls = 1 if marketplace.browser_bound else marketplace.lane_calls
        self._closed = False

    def perform(self, run: Run, effect: Perform) -> None:
        """Carry the call out, now or when it is its turn."""
        call_id, call = effect.call_id, effect.call
        run.calls[call_id] = call
        if effect.step is not None:
            run.steps[call_id] = effect.step
            if effect.within is not None:
                run.within[effect.step] = effect.within
        ticket = run.ticket(self._actor, call_id)
        match call:
            case WebSocketCall() | HttpCall():
                run.lane.waiting_calls.append(ticket)
                self.pump(run.lane)
            case SleepCall(duration):
                due = self._clock.now() + duration
                self._clock.call_at(due, self._actor, CallSettled(ticket, Success(None)))
            case ProgressCall():
                # Through the mailbox, so that a handler that does nothing else holds nobody up.
                self._tell(self._actor, CallSettled(ticket, Success(None)))
            case BlockingCall():
                run.left.add(call_id)
                self._workers.run_blocking(ticket, call)
                self._limit(ticket, run.job.timeout)
            case TransactionCall():
                run.left.add(call_id)
                self._workers.run_transaction(ticket, run.job, call, effect.within)
            case RecordStep(name):
                task_type = run.task_types.get(name)
                outcome = messages.RecordOutcome(ticket, call, task_type, effect.within)
                self._record(run, call_id, outcome)
            case AwaitQuiet():
                self._await_quiet(run, ticket, call)

    def pump(self, lane: Lane) -> None:
        """Send the calls of a lane whose turn has come."""
        if self._closed:
            return
        now = self._clock.now()
        while lane.waiting_calls and lane.in_flight < self._lane_calls:
            ticket = lane.waiting_calls[0]
            run = self._find_run(ticket)
            if run is None or ticket.call_id not in run.calls:
                lane.waiting_calls.popleft()
                continue
            pacer = self._pacers.setdefault((run.job.shop.id, run.job.action), Pacer())
            free_at = pacer.free_at(now)
            if free_at > now:
                self._wake(lane, free_at)
                return
            lane.waiting_calls.popleft()
            pacer.release(now, run.job.rate_limit)
            self._send(run, ticket)

    def intent_recorded(self, run: Run, call_id: int) -> None:
        """The write may leave now."""
        if run.entries.pop(call_id, None) is not None:
            self._leave(run, call_id)

    def settled(self, run: Run, call_id: int) -> bool:
        """Count an outcome in; False where nobody waits for it."""
        if call_id not in run.calls:
            return False
        self._note_quiet(run, call_id)
        self._land(run, call_id)
        self.pump(run.lane)
        return True

    def withdraw(self, run: Run, call_ids: Iterable[int]) -> None:
        """Nobody waits for these outcomes any more."""
        for call_id in call_ids:
            request = run.requests.get(call_id)
            if request is not None:
                self._tell(messages.BRIDGE, messages.BrowserRequestWithdrawn(request.request_id))
            self._land(run, call_id)
        # Only now: the place that one of them leaves must not go to another of them.
        self.pump(run.lane)

    def withdraw_all(self, run: Run) -> None:
        """The run ended or was dropped."""
        self.withdraw(run, list(run.calls))

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
        run.lane.in_flight += 1
        run.placed.add(call_id)
        if isinstance(call, WebSocketCall):
            run.requests[call_id] = self._browser_request(run, ticket, call)
        name = run.steps.get(call_id)
        if call.writes and name is not None:
            self._record(run, call_id, self._intent(run, ticket, name))
        else:
            self._leave(run, call_id)

    def _intent(self, run: Run, ticket: CallTicket, name: str) -> messages.RecordIntent:
        call = run.calls[ticket.call_id]
        assert isinstance(call, WebSocketCall | HttpCall)
        now = self._clock.now()
        # At least a moment, so that a node whose lease ran out sends nothing but looks again.
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
        if isinstance(call, HttpCall):
            timeout = call.timeout or run.job.timeout
            shop_id = run.job.shop.id
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

    def _limit(self, ticket: CallTicket, timeout: timedelta) -> None:
        """A thread cannot be ended; its answer is not waited for any longer than this."""
        seconds = timeout.total_seconds()
        late = CallTimeout(f"the function did not return within {seconds:g}s")
        due = self._clock.now() + timeout
        self._clock.call_at(due, self._actor, CallSettled(ticket, Failure(late)))

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
        for kept in (run.calls, run.requests, run.steps, run.entries, run.not_after):
            kept.pop(call_id, None)
        run.left.discard(call_id)
        if call_id in run.placed:
            run.placed.discard(call_id)
            run.lane.in_flight -= 1

    def _wake(self, lane: Lane, when: datetime) -> None:
        if lane.release_timer is not None:
            lane.release_timer.cancel()
        lane.release_timer = self._clock.call_at(
            when, self._actor, messages.CallsReleased(lane.key)
        )
