"""Learns from answers: closes and opens scopes, sets limits, and halves rates. Pure.

The consequences of a refusal for too many calls::

    429 ─┬─ says until when ─────────────────────► the scope is closed until then
         ├─ says nothing, and can be asked about ─► the scope is closed while the inquiry lasts
         │                                           ├─ it says until when ─► closed until then
         │                                           └─ it says nothing ──┐
         └─ says nothing ─────────────────────────────────────────────────┴► rate halved, cool-down
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runtime.answers.limit_signals import LimitInquiry, ReadAnswer, Signals
from runtime.errors import CallFailed, CallRejected, NotAuthorized
from runtime.errors.safe_text import safe_repr
from runtime.rate_limits import Blocked, BudgetTree
from runtime.rate_limits.call_queue import CallQueue
from runtime.rate_limits.closures import Closure, ClosureKind, Closures, Level, Scope, path
from runtime.rate_limits.tree import OF_ONE_ACCOUNT
from runtime.runs.account_trouble import AccountTrouble
from runtime.runs.answer import Answer
from runtime.runs.calls import Call, Failure, HttpCall, Outcome, Success, WebSocketCall

INQUIRY_TIME = timedelta(seconds=30)
SHORTEST = timedelta(seconds=1)
"""A marketplace that refuses a call and says "try again now" is left alone for this time."""


# Only these two kinds are opened by a good answer. A pause is an operator's, and a rate limit ends
# by its time.
NEEDS = (ClosureKind.NEEDS_USER, ClosureKind.NEEDS_AUTH)


@dataclass(frozen=True, slots=True)
class SentCall:
    """A call that left for the marketplace.

    Attributes:
        left_at: the time when the call left.
        landed: the number of calls that had been answered by then. The answer to this call
            includes them for certain; of all later calls nobody knows.
        landed_in_lane: the same number for the calls of its lane.
    """

    shop_id: int
    action: str
    lane: int
    call: Call
    left_at: datetime
    landed: int
    landed_in_lane: int


@dataclass(slots=True)
class Changes:
    """Closures and openings that others are to be told of.

    Of each scope and kind only the last word is kept, because the two lists do not show in which
    order a scope was closed and opened.

    Attributes:
        inquire: the scope whose limits are to be asked for, and a shop through which to ask.
    """

    closed: list[Closure] = field(default_factory=list)
    opened: list[tuple[Scope, ClosureKind]] = field(default_factory=list)
    inquire: tuple[Scope, int] | None = None

    def close(self, closure: Closure) -> None:
        """Note that a scope is closed from now on."""
        self._forget(closure.scope, closure.kind)
        self.closed.append(closure)

    def open(self, scope: Scope, kind: ClosureKind) -> None:
        """Note that a scope is not closed for that reason any more."""
        self._forget(scope, kind)
        self.opened.append((scope, kind))

    def _forget(self, scope: Scope, kind: ClosureKind) -> None:
        self.closed = [one for one in self.closed if (one.scope, one.kind) != (scope, kind)]
        self.opened = [one for one in self.opened if one != (scope, kind)]


class LimitKeeper:
    """Keeps the budgets of one marketplace in line with its answers.

    Args:
        marketplace: the name of the marketplace.
        read_answer: the marketplace's own reader of limits and account trouble, or None.
        read_commonly: reads an answer as most marketplaces mean it; it counts if the marketplace's
            own reader is missing or fails.
        inquiry: the resource to ask after a 429 that says nothing, or None.
        complain: is told if the marketplace's own reader fails.
    """

    def __init__(
        self,
        marketplace: str,
        read_answer: ReadAnswer | None,
        read_commonly: ReadAnswer,
        inquiry: LimitInquiry | None,
        tree: BudgetTree,
        queue: CallQueue[Any],
        complain: Callable[[Exception], None],
    ) -> None:
        self._marketplace = marketplace
        self._read_answer = read_answer or read_commonly
        self._read_commonly = read_commonly
        self._inquiry = inquiry
        self._tree = tree
        self._queue = queue
        self._complain = complain
        self._closed: dict[tuple[Scope, ClosureKind], Closure] = {}
        self._asked: dict[Scope, tuple[SentCall, datetime]] = {}

    def leaves(self, shop_id: int, action: str, lane: int, call: Call, now: datetime) -> SentCall:
        """Return the record of a call that leaves."""
        landed = self._queue.landed()
        return SentCall(shop_id, action, lane, call, now, landed, self._queue.landed(lane))

    def answered(self, sent: SentCall, outcome: Outcome, now: datetime) -> Changes:
        """Learn from an answer; a refusal for too many calls is told when to try again."""
        changes = Changes()
        answer = envelope(sent.call, outcome)
        if answer is not None:
            signals = self._read(self._read_answer, answer, now)
            self._apply(signals, sent, now, changes)
            if signals.refused and isinstance(outcome, Failure):
                self._tell_when(sent, outcome.error, now)
        elif isinstance(outcome, Failure) and isinstance(outcome.error, NotAuthorized):
            shop, reason = self._scope(Level.SHOP, sent), str(outcome.error)
            self._close(shop, None, reason, now, changes, ClosureKind.NEEDS_AUTH)
        return changes

    def troubled(self, shop_id: int, trouble: AccountTrouble, now: datetime) -> Changes:
        """Close the shop of a run that ended with trouble; an answer may have closed it already.

        A job that waited beside an open shop would be run again every two seconds.
        """
        changes = Changes()
        shop = Scope(self._marketplace, Level.SHOP, shop_id)
        self._close(shop, None, trouble.reason, now, changes, trouble.kind)
        return changes

    def inquired(self, scope: Scope, outcome: Outcome, now: datetime) -> Changes:
        """Learn from the outcome of an inquiry; if it tells nothing, the rate is halved."""
        changes = Changes()
        inquiry = self._inquiry
        asked = self._asked.pop(scope, None)
        if asked is None or inquiry is None:
            return changes
        sent, _ = asked
        signals = Signals()
        if isinstance(outcome, Success) and isinstance(sent.call, HttpCall):
            called = sent.call.path
            signals = self._read(
                lambda _answer, at: inquiry.read(outcome.value, called, at), Answer(200), now
            )
        # The scope was closed for as long as the inquiry may take; from here on its answer counts.
        self._open(scope, ClosureKind.RATE_LIMIT, changes)
        if signals.until is not None and signals.until > now:
            self._close(scope, signals.until, signals.reason, now, changes)
        else:
            self._throttle(scope, sent, now, changes)
        return changes

    def refused(self, blocked: Blocked, now: datetime) -> Changes:
        """Close a scope whose quota is used up, because calls were refused there.

        If only the calls were refused, every waiting job would be claimed once and handed back.
        """
        changes = Changes()
        if blocked.until is not None and not blocked.is_closure:
            self._close(blocked.scope, blocked.until, blocked.reason, now, changes)
        return changes

    def loaded(self, closures: Iterable[Closure]) -> None:
        """Replace all closures by these, which include the closures that are still unwritten."""
        known = {(one.scope, one.kind): one for one in closures}
        touched = {key[0] for key in known.keys() | self._closed.keys()}
        self._closed = known
        self._tree.closures = Closures(known.values())
        for scope in touched:
            self._queue.changed(scope)

    def _read(
        self, read: Callable[[Answer, datetime], Signals], answer: Answer, now: datetime
    ) -> Signals:
        try:
            signals: object = read(answer, now)
            if not isinstance(signals, Signals):
                raise TypeError(f"it returned {safe_repr(signals)} and not Signals")
            return signals
        except Exception as error:  # noqa: BLE001 - a marketplace's reader may raise anything
            self._complain(error)
            return self._read_commonly(answer, now)

    def _apply(self, signals: Signals, sent: SentCall, now: datetime, changes: Changes) -> None:
        scope = self._scope(signals.level or self._tree.budgets.speaks_of, sent)
        for one in signals.limits:
            self._tree.announce(scope, one.limit, one.remaining, self._unsure(scope, sent), now)
            self._queue.changed(scope)
        until = signals.until
        if until is not None and signals.refused:
            until = max(until, now + SHORTEST)
        if until is not None and until > now:
            self._close(scope, until, signals.reason, now, changes)
        elif signals.says_nothing and self._inquiry is not None:
            self._inquire(scope, sent, now, changes)
        elif signals.says_nothing:
            self._throttle(scope, sent, now, changes)
        shop = self._scope(Level.SHOP, sent)
        if signals.needs is not None:
            self._close(shop, None, signals.reason, now, changes, signals.needs)
        if signals.good:
            self._open_needs(shop, sent, changes)

    def _unsure(self, scope: Scope, sent: SentCall) -> int:
        """Return how many other calls the marketplace may not have known when it answered.

        The answer speaks of some moment between the leaving of its call and now. Calls that had
        not landed when the call left, or that left since, may be missing in its count.
        """
        if scope.level in OF_ONE_ACCOUNT:
            return max(0, self._queue.released(sent.lane) - sent.landed_in_lane - 1)
        return self._queue.released() - sent.landed - 1

    def _inquire(self, scope: Scope, sent: SentCall, now: datetime, changes: Changes) -> None:
        """Ask for the limits of a scope, which is closed until the answer comes."""
        # Many calls are refused together, and all of them ask the same question. An inquiry whose
        # answer got lost is made again after its time.
        _, asked_at = self._asked.get(scope, (sent, None))
        if asked_at is not None and now - asked_at < INQUIRY_TIME:
            return
        self._asked[scope] = (sent, now)
        changes.inquire = (scope, sent.shop_id)
        reason = "it answered 429, and is asked until when"
        self._close(scope, now + INQUIRY_TIME, reason, now, changes)

    def _throttle(self, scope: Scope, sent: SentCall, now: datetime, changes: Changes) -> None:
        if self._tree.throttle(scope, now, sent.left_at):
            reason = f"it answered 429; its rate is {self._tree.rate(scope, now):.0%} for now"
            self._close(scope, now + self._tree.budgets.cool_down, reason, now, changes)

    def _close(
        self,
        scope: Scope,
        until: datetime | None,
        reason: str,
        now: datetime,
        changes: Changes,
        kind: ClosureKind = ClosureKind.RATE_LIMIT,
    ) -> None:
        # Of several answers the longest wait counts. A shorter one would open the scope too early.
        former = self._closed.get((scope, kind))
        if former is not None and former.holds(now) and not _outlasts(until, former.until):
            return
        closure = Closure(scope, kind, reason, now, until)
        self._closed[scope, kind] = closure
        self._tree.closures.close(closure)
        self._queue.changed(scope)
        changes.close(closure)

    def _open(self, scope: Scope, kind: ClosureKind, changes: Changes) -> None:
        if self._closed.pop((scope, kind), None) is not None:
            self._tree.closures.open(scope, kind)
            self._queue.changed(scope)
            changes.open(scope, kind)

    def _open_needs(self, shop: Scope, sent: SentCall, changes: Changes) -> None:
        """Open a shop that waits for a person, after a good answer.

        The call must have left after the shop was closed: an answer that was on its way says
        nothing about what happened since.
        """
        for kind in NEEDS:
            closure = self._closed.get((shop, kind))
            if closure is not None and closure.since < sent.left_at:
                self._open(shop, kind, changes)

    def _tell_when(self, sent: SentCall, error: BaseException, now: datetime) -> None:
        if isinstance(error, CallRejected):
            scopes = path(self._marketplace, sent.shop_id, sent.action)
            error.retry_at = self._tree.closures.opens_at(scopes, now)
            # The last scope is the action, whose closure leaves the lane open for other actions.
            error.lane_closed = any(self._tree.closures.of(scopes[:-1], now))

    def _scope(self, level: Level, sent: SentCall) -> Scope:
        scopes = path(self._marketplace, sent.shop_id, sent.action)
        return next(scope for scope in scopes if scope.level is level)


def _outlasts(until: datetime | None, other: datetime | None) -> bool:
    return other is not None and (until is None or until > other)


def envelope(call: Call, outcome: Outcome) -> Answer | None:
    """Return the answer that came with an outcome, or None if nobody answered."""
    if outcome.answer is not None:
        return outcome.answer
    if not isinstance(call, WebSocketCall):
        return None
    if isinstance(outcome, Success):
        return Answer(None, from_browser=True, good=True)
    error = outcome.error
    if isinstance(error, CallFailed) and (error.status or error.error_code):
        return Answer(error.status, {}, str(error), error.error_code, from_browser=True)
    return None
