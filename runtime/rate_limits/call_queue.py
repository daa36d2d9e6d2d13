"""The queue of the calls that wait until they may leave; it is pure and has no clock.

The calls of one action of one shop make a *stream*, and only the first call of a stream is looked
at. The picture shows the states of this first call::

                    put                                 withdraw, from wherever it waits
                     │                                                  │
                     ▼                                                  ▼
              ┌─────────────┐  a place of its lane is free        ┌───────────┐
        ┌────►│    FRESH    │◄───────────────────────────┐        │   GONE    │
        │     └──────┬──────┘  (place_freed)             │        └───────────┘
        │            │ take                              │              ▲
        │            ▼                                   │              │ place_freed
        │     ┌─────────────┐  all places are taken ┌────┴─────┐  ┌─────┴─────┐
        │     │    TRIED    ├──────────────────────►│  PARKED  │  │ IN FLIGHT │
        │     └┬─────┬─────┬┘                       └──────────┘  └───────────┘
        │      │     │     │ nothing is in its way                      ▲
        │      │     │     └────────────────────────────────────────────┘
        │      │     │ a scope is closed for longer than PATIENCE   ┌─────────┐
        │      │     └─────────────────────────────────────────────►│ REFUSED │
        │      │ a scope of its path is in its way                  └─────────┘
        │      ▼                                                    with its whole stream
        │  ┌────────────┐
        └──┤ AT A SCOPE │  the scope is due (take), and the stream is the first that waits there
           └────────────┘

A stream waits at the one scope of its path that stands in its way for longest. Among streams that
may go, the better priority comes first, then the lane that has had fewer turns, then the older
call. A waiting call becomes more urgent by one per interval of aging.
"""

import heapq
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Generic

from runtime.rate_limits import Blocked, BudgetTree
from runtime.rate_limits.closures import Scope, path
from runtime.rate_limits.lane_turns import LaneTurns
from runtime.rate_limits.scope_queues import AT_ONCE, ScopeQueues
from runtime.rate_limits.streams import Item, Rank, Stream, WaitingCall, Wish

PATIENCE = timedelta(seconds=60)
"""The longest time that a call waits for a closed scope. A call that would wait longer is refused:
its job then gives its place in the lane back, which is worth the replay of the run."""

AGING = timedelta(minutes=15)
"""The time in which a waiting call becomes more urgent by one, so that none waits for ever."""

Ready = tuple[Rank, Stream[Item], Scope | None]
"""A stream that is to be tried, and the scope that it left, where the next stream waits.

Ranks are unique, so comparing two of these tuples never reaches the stream, which has no order.
"""


@dataclass(slots=True)
class Taken(Generic[Item]):
    """The result of :meth:`CallQueue.take`: calls that may leave, and calls that are refused."""

    released: list[Wish[Item]] = field(default_factory=list)
    refused: list[tuple[Item, Blocked]] = field(default_factory=list)


class CallQueue(Generic[Item]):
    """Keeps the waiting calls of one marketplace, and decides which of them leaves next.

    Args:
        places: the number of calls of one lane that may be in flight at once.
        draw: returns a random number, uniform in [0, 1), for the jitter.
        aging: the time that a call waits until it becomes more urgent by one.
    """

    def __init__(
        self,
        marketplace: str,
        tree: BudgetTree,
        places: int,
        draw: Callable[[], float],
        aging: timedelta = AGING,
    ) -> None:
        self._marketplace = marketplace
        self._tree = tree
        self._places = places
        self._draw = draw
        self._aging = aging
        self._order = count()
        self._calls: dict[Item, WaitingCall[Item]] = {}
        self._streams: dict[tuple[int, str], Stream[Item]] = {}
        self._lanes: LaneTurns[Item] = LaneTurns()
        self._fresh: dict[Stream[Item], None] = {}
        self._scopes: ScopeQueues[Item] = ScopeQueues()
        self._rising: OrderedDict[Stream[Item], datetime] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of calls that wait."""
        return len(self._calls)

    @property
    def remembered(self) -> int:
        """The number of streams, lanes and scopes that are in memory."""
        return len(self._streams) + len(self._lanes) + len(self._scopes)

    def in_flight(self, lane: int) -> int:
        """Return the number of places of the lane that are taken."""
        known = self._lanes.get(lane)
        return known.in_flight if known is not None else 0

    def released(self, lane: int | None = None) -> int:
        """Return the number of calls that were released.

        Args:
            lane: count only this lane's calls, since the lane last began to have work.
        """
        if lane is None:
            return self._lanes.released
        known = self._lanes.get(lane)
        return known.released if known is not None else 0

    def landed(self, lane: int | None = None) -> int:
        """Return how many of the released calls have given their place back."""
        in_flight = self._lanes.in_flight if lane is None else self.in_flight(lane)
        return self.released(lane) - in_flight

    def put(self, wish: Wish[Item], now: datetime) -> None:
        """Let a call wait until :meth:`take` releases or refuses it."""
        stream = self._stream_of(wish)
        call = WaitingCall(wish, next(self._order), now, stream)
        stream.add(call)
        self._calls[wish.item] = call
        # A call of priority 1 cannot rise. A stream that rises already keeps its earlier time,
        # or a steady flow of new calls would keep its oldest call from ever rising.
        if wish.priority > 1:
            self._rising.setdefault(stream, now + self._aging)
        # The new call may be more urgent than the stream's first call, whose rank was the stream's.
        self._scopes.rank_again(stream)

    def withdraw(self, item: Item) -> None:
        """Take a call out of the queue; does nothing if the call does not wait."""
        call = self._calls.pop(item, None)
        if call is None:
            return
        call.stream.remove(call)
        if call.stream.calls:
            self._scopes.rank_again(call.stream)
        else:
            self._dissolve(call.stream)

    def place_freed(self, lane: int) -> None:
        """Give the place of a call back that was released and has ended."""
        known = self._lanes.get(lane)
        assert known is not None
        # All parked streams are tried again, because the place goes to the one of the best rank, of
        # which the order of parking says nothing.
        self._fresh.update(known.parked)
        known.parked.clear()
        self._lanes.free_place(known)

    def changed(self, scope: Scope) -> None:
        """Look again at a scope that was closed or opened, or whose limits changed."""
        # The planned time belongs to the former state: the scope may be open now, or closed for so
        # long that its calls are to be refused.
        if scope in self._scopes:
            self._scopes.look_at(scope, AT_ONCE)

    def next_due(self) -> datetime | None:
        """Return the time of the next :meth:`take`, or None if no call waits for a time."""
        return self._scopes.next_look()

    def take(self, now: datetime) -> Taken[Item]:
        """Release the calls that may leave now, and refuse those for which waiting is hopeless."""
        taken: Taken[Item] = Taken()
        self._let_rise(now)
        ready: list[Ready[Item]] = [(stream.rank, stream, None) for stream in self._fresh]
        heapq.heapify(ready)
        self._fresh = {}
        for scope in self._scopes.take_due(now):
            self._call_first(scope, now, ready)
        while ready:
            _, stream, left = heapq.heappop(ready)
            if self._try(stream, now, taken):
                # The lane has had one more turn, so that the stream comes back with a worse rank,
                # and other lanes have theirs before its next call.
                heapq.heappush(ready, (stream.rank, stream, None))
            # The next stream of that scope is only looked at now: the stream before it may have
            # used the scope up. A release costs the same however many streams wait behind it.
            if left is not None:
                self._call_first(left, now, ready)
        return taken

    # --- what becomes of a stream ---------------------------------------------------------

    def _call_first(self, scope: Scope, now: datetime, ready: list[Ready[Item]]) -> None:
        """Take the first stream out of a scope's queue if the scope lets it go or refuses it."""
        stream = self._scopes.first(scope)
        if stream is None:
            return
        blocked = self._tree.blocked_at(scope, now)
        if blocked is not None and not _is_hopeless(blocked, now):
            self._await(scope, now)
            return
        # The stream is not released yet: another scope of its path may still be in its way.
        self._scopes.leave(stream)
        heapq.heappush(ready, (stream.rank, stream, scope))

    def _try(self, stream: Stream[Item], now: datetime, taken: Taken[Item]) -> bool:
        """Release a stream's first call, refuse all its calls, or let the stream wait.

        Returns whether the stream has another call to try.
        """
        blocked = self._tree.blocked(stream.scopes, now)
        if blocked is None and stream.lane.in_flight < self._places:
            self._release(stream, now, taken)
            return bool(stream.calls)
        if blocked is None:
            # Nobody knows when a place is free, so that no look is planned: `place_freed` brings
            # the stream back.
            stream.lane.parked[stream] = None
        elif _is_hopeless(blocked, now):
            # All calls of a stream have the same path, so the same scope keeps all of them.
            for call in stream.calls:
                del self._calls[call.wish.item]
                taken.refused.append((call.wish.item, blocked))
            self._dissolve(stream)
        else:
            self._scopes.enter(stream, blocked.scope)
            self._await(blocked.scope, now)
        return False

    def _release(self, stream: Stream[Item], now: datetime, taken: Taken[Item]) -> None:
        wish = stream.calls.pop(0).wish
        del self._calls[wish.item]
        self._tree.release(stream.scopes, now, wish.gap, self._draw())
        self._lanes.take_place(stream.lane)
        taken.released.append(wish)
        if not stream.calls:
            self._dissolve(stream)
        # The lane has had one more turn, and the turns are part of the rank of all its streams.
        for other in stream.lane.streams:
            self._scopes.rank_again(other)

    def _await(self, scope: Scope, now: datetime) -> None:
        """Plan the next look at the scope for the time when it is free."""
        blocked = self._tree.blocked_at(scope, now)
        free = now if blocked is None or blocked.until is None else blocked.until
        self._scopes.look_at(scope, free)

    def _let_rise(self, now: datetime) -> None:
        """Raise the calls of the streams whose interval of aging is over."""
        # Every entry waits for the same interval, so the order of insertion is the order of the
        # times, and the walk can end at the first entry that is not due.
        while self._rising:
            stream, when = next(iter(self._rising.items()))
            if when > now:
                return
            del self._rising[stream]
            for call in stream.calls:
                call.priority = max(1, call.wish.priority - (now - call.since) // self._aging)
            stream.calls.sort()
            self._scopes.rank_again(stream)
            if any(call.priority > 1 for call in stream.calls):
                self._rising[stream] = now + self._aging

    def _stream_of(self, wish: Wish[Item]) -> Stream[Item]:
        key = (wish.shop_id, wish.action)
        stream = self._streams.get(key)
        if stream is None:
            scopes = path(self._marketplace, wish.shop_id, wish.action)
            lane = self._lanes.lane_with_work(wish.lane)
            stream = self._streams[key] = Stream(key, scopes, lane)
            self._lanes.add(stream)
            self._fresh[stream] = None
        return stream

    def _dissolve(self, stream: Stream[Item]) -> None:
        """Forget a stream without waiting calls, so that memory follows what waits."""
        self._scopes.leave(stream)
        self._fresh.pop(stream, None)
        self._rising.pop(stream, None)
        self._lanes.remove(stream)
        del self._streams[stream.key]


def _is_hopeless(blocked: Blocked, now: datetime) -> bool:
    """Return whether a call is not to wait for this scope.

    A pace is waited for however slow it is, because it lets every call through in the end.
    """
    if blocked.until is None:
        return True
    return not blocked.is_pace and blocked.until - now > PATIENCE
