"""When the calls of one marketplace leave: as its limits, its answers and their lanes allow."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from actors.lane_run import LaneRun
from runtime import messages
from runtime.answers.limit_keeper import INQUIRY_TIME, Changes, Sent
from runtime.marketplaces.pacing import Pacing
from runtime.marketplaces.record import Marketplace
from runtime.messages import CallSettled, CallTicket
from runtime.process.alarm import Alarm
from runtime.process.clock import Clock
from runtime.rate_limits.closures import Closure, Scope, path
from runtime.runs.account_trouble import AccountTrouble
from runtime.runs.calls import Call, Failure, Outcome

INQUIRY = 0
"""In the place of a job's id: nobody's call but the pace's own, about a limit."""


class CallPace:
    """Keeps calls waiting until their turn comes.

    Args:
        actor: name of the marketplace actor, to which outcomes go.
        tell: sends a message to an actor.
        make_known: told of what answers close and open.
        send: sends a call whose turn has come; False where nobody wants it any more.

    Attributes:
        budgets: what was used, what is closed, and what is free.
    """

    def __init__(
        self,
        actor: str,
        marketplace: Marketplace,
        clock: Clock,
        tell: Callable[[str, Any], None],
        make_known: Callable[[Changes], None],
        send: Callable[[CallTicket], bool],
    ) -> None:
        self._actor = actor
        self._marketplace = marketplace
        self._clock = clock
        self._tell = tell
        self._make_known = make_known
        self._send = send
        self._pacing: Pacing[CallTicket] = Pacing(marketplace, marketplace.lanes.calls)
        self.budgets = self._pacing.budgets
        self._queue, self._limits = self._pacing.queue, self._pacing.limits
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

    def close(self) -> None:
        """Let nothing leave any more."""
        self._closed = True

    # --- calls leave ----------------------------------------------------------------------

    def put(self, run: LaneRun, ticket: CallTicket) -> None:
        """A call wants to leave."""
        self._pacing.put(ticket, run.job, run.lane.key, self._clock.now())
        self.pump()

    def withdraw(self, ticket: CallTicket) -> None:
        """A call does not want to leave any more."""
        self._queue.withdraw(ticket)

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
            self._changed(self._limits.refused(blocked, now))
            # What was used up is a closure by now.
            closed = Failure(blocked.closed(is_closure=True))
            self._tell(self._actor, CallSettled(ticket, closed))
        if used := self.budgets.changed():
            self._tell(messages.RECORDER, messages.RecordUsage(used))
        place_left = False
        for wish in turn.released:
            if not self._send(wish.item):
                self._queue.place_freed(wish.lane)
                place_left = True
        return place_left

    def left(self, run: LaneRun, call: Call, released_at: datetime | None, now: datetime) -> Sent:
        """A call left.

        Args:
            released_at: when it had its turn; None: just now.
        """
        sent = self._pacing.leaves(run.job, run.lane.key, call, now)
        if released_at is not None and released_at < now:
            # By the marketplace's clock the next call would be too early by as much.
            scopes = path(self._marketplace.name, run.job.shop.id, run.job.action)
            self.budgets.left(scopes, released_at, now)
        return sent

    def place_freed(self, run: LaneRun) -> None:
        """A call that had its turn does not take its place in the lane any more."""
        self._queue.place_freed(run.lane.key)

    def in_flight(self, run: LaneRun) -> int:
        """How many places of the run's lane are taken."""
        return self._queue.in_flight(run.lane.key)

    # --- answers come ---------------------------------------------------------------------

    def answered(self, sent: Sent, outcome: Outcome) -> None:
        """A call that left has its outcome."""
        self._changed(self._limits.answered(sent, outcome, self._clock.now()))

    def troubled(self, shop_id: int, trouble: AccountTrouble) -> None:
        """Send nothing more for the shop."""
        self._changed(self._limits.troubled(shop_id, trouble, self._clock.now()))
        self.pump()

    def inquiry_settled(self, settled: CallSettled) -> None:
        """An outcome came that no run waits for; it may be that of an inquiry."""
        if settled.ticket.job_id != INQUIRY:
            return
        scope = self._inquiries.pop(settled.ticket.call_id, None)
        if scope is not None:
            outcome = settled.outcome
            self._changed(self._limits.inquired(scope, outcome, self._clock.now()))
            self.pump()

    def _changed(self, changes: Changes) -> None:
        self._make_known(changes)
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
