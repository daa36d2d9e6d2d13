"""Sends the calls of one marketplace's runs, each when its lane and its pace allow."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from actors.lanes import Lane
from actors.runs import Run
from actors.worker_pool import WorkerPool
from runtime import messages
from runtime.budgets import Pacer
from runtime.calls import (
    BlockingCall,
    Call,
    Failure,
    HttpCall,
    SleepCall,
    Success,
    TransactionCall,
    WebSocketCall,
)
from runtime.clock import Clock
from runtime.errors import ConnectionLost
from runtime.hookspecs import Marketplace
from runtime.messages import CallSettled, CallTicket

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
        tell: Callable[[str, Any], None],
        find_run: Callable[[CallTicket], Run | None],
    ) -> None:
        self._actor = actor
        self._marketplace = marketplace
        self._clock = clock
        self._workers = workers
        self._tell = tell
        self._find_run = find_run
        self._pacers: dict[tuple[int, str], Pacer] = {}
        self._lane_calls = 1 if marketplace.browser_bound else marketplace.lane_calls
        self._closed = False

    def perform(self, run: Run, call_id: int, call: Call) -> None:
        """Carry the call out, now or when it is its turn."""
        run.calls[call_id] = call
        ticket = run.ticket(self._actor, call_id)
        match call:
            case WebSocketCall() | HttpCall():
                run.lane.waiting_calls.append(ticket)
                self.pump(run.lane)
            case SleepCall(duration):
                due = self._clock.now() + duration
                self._clock.call_at(due, self._actor, CallSettled(ticket, Success(None)))
            case BlockingCall():
                run.left.add(call_id)
                self._workers.run_blocking(ticket, call)
            case TransactionCall():
                run.left.add(call_id)
                self._workers.run_transaction(ticket, run.job, call)

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

    def settled(self, run: Run, call_id: int) -> bool:
        """Count an outcome in; False where nobody waits for it."""
        if call_id not in run.calls:
            return False
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
                run.requests[call_id] = replace(request, repeated=True)
                self._tell(messages.BRIDGE, run.requests[call_id])
        elif actor == messages.HTTP:
            for call_id in sorted(run.left):
                call = run.calls[call_id]
                if isinstance(call, HttpCall):
                    lost = ConnectionLost("the HTTP actor failed", writes=call.writes)
                    settled = CallSettled(run.ticket(self._actor, call_id), Failure(lost))
                    self._tell(self._actor, settled)

    def _send(self, run: Run, ticket: CallTicket) -> None:
        call = run.calls[ticket.call_id]
        run.left.add(ticket.call_id)
        run.lane.in_flight += 1
        if isinstance(call, HttpCall):
            timeout = call.timeout or run.job.timeout
            request = messages.HttpRequest(ticket, self._marketplace.name, call, timeout)
            self._tell(messages.HTTP, request)
        elif isinstance(call, WebSocketCall):
            command = messages.BrowserRequest(
                ticket=ticket,
                request_id=secrets.token_urlsafe(REQUEST_ID_BYTES),
                user_id=run.job.user_id,
                action=call.action,
                payload=call.payload,
                timeout=call.timeout or run.job.timeout,
                writes=call.writes,
            )
            run.requests[ticket.call_id] = command
            self._tell(messages.BRIDGE, command)

    def _land(self, run: Run, call_id: int) -> None:
        call = run.calls.pop(call_id, None)
        run.requests.pop(call_id, None)
        if call_id in run.left:
            run.left.discard(call_id)
            if isinstance(call, WebSocketCall | HttpCall):
                run.lane.in_flight -= 1

    def _wake(self, lane: Lane, when: datetime) -> None:
        if lane.release_timer is not None:
            lane.release_timer.cancel()
        lane.release_timer = self._clock.call_at(
            when, self._actor, messages.CallsReleased(lane.key)
        )
