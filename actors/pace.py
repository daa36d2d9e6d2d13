"""Lets the calls of one marketplace leave as its limits, its answers and their lanes allow."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from actors.lane_run import LaneRun
from runtime import messages
from runtime.answers.limit_keeper import INQUIRY_TIME, Changes, SentCall
from runtime.marketplaces.pacing import Pacing
from runtime.marketplaces.record import Marketplace
from runtime.messages import CallEnded, CallTicket
from runtime.process.alarm import Alarm
from runtime.process.clock import Clock
from runtime.rate_limits.closures import Closure, Scope, path
from runtime.runs.account_trouble import AccountTrouble
from runtime.runs.calls import Call, Failure, Outcome

INQUIRY = 0
"""The job id of a ticket of no job: the pace itself asks the marketplace for a limit."""


class CallPace:
    """Keeps calls waiting until their turn comes.

    Args:
        actor: the name of the marketplace actor, to which outcomes go.
        tell: sends a message to an actor.
        make_known: is told which scopes an answer closes and opens.
        send: sends a call whose turn has come; returns False if nobody wants the call any more.

    Attributes:
        budgets: the usage and the closures of the marketplace's scopes.
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
        # Where a limit is counted, nothing leaves until the former usage is known, or a restart
        # would have the limit a second time.
        self._waits_for_usage = marketplace.budgets.counts
        self._inquiries: dict[int, Scope] = {}
        self._inquiry_count = 0
        self._closed = False

    def started(self) -> None:
        """Ask for the usage from before this process, or this actor, began."""
        wanted = messages.UsageWanted(self._actor, self._marketplace.name)
        self._tell(messages.RECORDER, wanted)

    def usage_loaded(self, loaded: messages.UsageLoaded) -> None:
        """Count the former usage, once."""
        # It is asked for again whenever the recorder begins anew; counting it twice would use the
        # limits up.
        if not self._usage_known:
            self._usage_known, self._waits_for_usage = True, False
            self.budgets.restore(loaded.usage)
            self.pump()

    def closures_loaded(self, closures: Iterable[Closure]) -> None:
        """Keep exactly these scopes closed."""
        self._limits.loaded(closures)
        self.pump()

    def close(self) -> None:
        """Let nothing leave any more."""
        self._closed = True

    # --- calls leave ----------------------------------------------------------------------

    def put(self, run: LaneRun, ticket: CallTicket) -> None:
        """Let a call wait for its turn."""
        self._pacing.put(ticket, run.job, run.lane.key, self._clock.now())
        self.pump()

    def withdraw(self, ticket: CallTicket) -> None:
        """Take a call that does not want to leave any more out of the queue."""
        self._queue.withdraw(ticket)

    def pump(self) -> None:
        """Send the calls whose turn has come."""
        if self._closed or self._waits_for_usage:
            return
        # A call that nobody wants gives its place back, which the next call of its lane may take.
        while self._send_released():
            pass
        self._alarm.set(self._queue.next_due())

    def _send_released(self) -> bool:
        """Send the calls that may leave now; returns whether an unwanted call left its place."""
        now = self._clock.now()
        taken = self._queue.take(now)
        # A refused call ends its run as a snooze: holding its place for long would keep others
        # waiting.
        for ticket, blocked in taken.refused:
            self._changed(self._limits.refused(blocked, now))
            # A quota that is used up has become a closure in the line before.
            closed = Failure(blocked.closed(is_closure=True))
            self._tell(self._actor, CallEnded(ticket, closed))
        # The usage is committed behind the call. A commit before each call would cost more than
        # the milliseconds of usage that a killed process forgets.
        if used := self.budgets.changed():
            self._tell(messages.RECORDER, messages.RecordUsage(used))
        place_left = False
        for wish in taken.released:
            if not self._send(wish.item):
                self._queue.place_freed(wish.lane)
                place_left = True
        return place_left

    def left(
        self, run: LaneRun, call: Call, released_at: datetime | None, now: datetime
    ) -> SentCall:
        """Count a call that leaves.

        Args:
            released_at: the time when the call had its turn; None if that is now.
        """
        sent = self._pacing.leaves(run.job, run.lane.key, call, now)
        if released_at is not None and released_at < now:
            # The intent of a write is committed between its turn and its leaving. Without
            # this, the next call would come too early by that time, on the marketplace's clock.
            scopes = path(self._marketplace.name, run.job.shop.id, run.job.action)
            self.budgets.left(scopes, released_at, now)
        return sent

    def place_freed(self, run: LaneRun) -> None:
        """Give back the place in the lane of a call that had its turn."""
        self._queue.place_freed(run.lane.key)

    def in_flight(self, run: LaneRun) -> int:
        """Return the number of places of the run's lane that are taken."""
        return self._queue.in_flight(run.lane.key)

    # --- answers come ---------------------------------------------------------------------

    def answered(self, sent: SentCall, outcome: Outcome) -> None:
        """Learn from the outcome of a call that left."""
        self._changed(self._limits.answered(sent, outcome, self._clock.now()))

    def troubled(self, shop_id: int, trouble: AccountTrouble) -> None:
        """Send nothing more for the shop."""
        self._changed(self._limits.troubled(shop_id, trouble, self._clock.now()))
        self.pump()

    def inquiry_ended(self, ended: CallEnded) -> None:
        """Take an outcome that no run waits for; it may be the outcome of an inquiry."""
        if ended.ticket.job_id != INQUIRY:
            return
        scope = self._inquiries.pop(ended.ticket.call_id, None)
        if scope is not None:
            outcome = ended.outcome
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
        # Of each scope only the last inquiry counts; the answer to a former one is lost or late.
        others = {key: one for key, one in self._inquiries.items() if one != scope}
        self._inquiries = {**others, self._inquiry_count: scope}
        ticket = CallTicket(self._actor, INQUIRY, 0, self._inquiry_count)
        name, call = self._marketplace.name, inquiry.call
        request = messages.HttpRequest(ticket, name, shop_id, call, INQUIRY_TIME)
        self._tell(messages.HTTP, request)
