"""Calls that wait until they may leave: pure, driven by whoever knows the time.

Calls of one action of one shop make a *stream*, and only a stream's first call is looked at. What
happens to it::

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
may go, better priority comes first, then lanes in turns, then who came first. What waits rises by
one level of priority per interval of aging.
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
"""A call waits so long for a scope to open; one that would have to wait longer is refused."""

AGING = timedelta(minutes=15)
"""A call that waits so long counts as one level more urgent, so that none waits for ever."""

Ready = tuple[Rank, Stream[Item], Scope | None]
"""A stream that is to be tried, and the scope that it left, where the next one waits."""


@dataclass(slots=True)
class Turn(Generic[Item]):
    """What became of calls: they may leave now, or are not to wait any longer."""

    released: list[Wish[Item]] = field(default_factory=list)
    refused: list[tuple[Item, Blocked]] = field(default_factory=list)


class CallQueue(Generic[Item]):
    """The waiting calls of one marketplace.

    Args:
        places: calls of one lane that may be in flight at once.
        draw: uniform in [0, 1), for the jitter.
        aging: how long a call waits until it rises by one level of priority.
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
        """How many calls wait."""
        return len(self._calls)

    @property
    def remembered(self) -> int:
        """How many streams, lanes and scopes there is something to remember of."""
        return len(self._streams) + len(self._lanes) + len(self._scopes)

    def in_flight(self, lane: int) -> int:
        """How many places of the lane are taken."""
        known = self._lanes.get(lane)
        return known.in_flight if known is not None else 0

    def released(self, lane: int | None = None) -> int:
        """How many calls have had their turn; of a lane, since it had something to do."""
        if lane is None:
            return self._lanes.released
        known = self._lanes.get(lane)
        return known.released if known is not None else 0

    def landed(self, lane: int | None = None) -> int:
        """How many of them have left their place again."""
        in_flight = self._lanes.in_flight if lane is None else self.in_flight(lane)
        return self.released(lane) - in_flight

    def put(self, wish: Wish[Item], now: datetime) -> None:
        """A call wants to leave; :meth:`take` says when it may."""
        stream = self._stream_of(wish)
        call = WaitingCall(wish, next(self._order), now, stream)
        stream.add(call)
        self._calls[wish.item] = call
        if wish.priority > 1:
            self._rising.setdefault(stream, now + self._aging)
        self._scopes.rank_again(stream)

    def withdraw(self, item: Item) -> None:
        """The call does not want to leave any more; does nothing where it does not wait."""
        call = self._calls.pop(item, None)
        if call is None:
            return
        call.stream.remove(call)
        if call.stream.calls:
            self._scopes.rank_again(call.stream)
        else:
            self._dissolve(call.stream)

    def place_freed(self, lane: int) -> None:
        """A call of the lane that had left was answered."""
        known = self._lanes.get(lane)
        assert known is not None
        self._fresh.update(known.parked)
        known.parked.clear()
        self._lanes.free_place(known)

    def changed(self, scope: Scope) -> None:
        """A scope was closed or opened, or its limits are others: look at who waits there."""
        if scope in self._scopes:
            self._scopes.look_at(scope, AT_ONCE)

    def next_due(self) -> datetime | None:
        """When a call may leave that may not now; None where none waits for a time."""
        return self._scopes.next_look()

    def take(self, now: datetime) -> Turn[Item]:
        """Let go what may go now."""
        turn: Turn[Item] = Turn()
        self._let_rise(now)
        ready: list[Ready[Item]] = [(stream.rank, stream, None) for stream in self._fresh]
        heapq.heapify(ready)
        self._fresh = {}
        for scope in self._scopes.take_due(now):
            self._call_first(scope, now, ready)
        while ready:
            _, stream, left = heapq.heappop(ready)
            if self._try(stream, now, turn):
                heapq.heappush(ready, (stream.rank, stream, None))
            if left is not None:
                self._call_first(left, now, ready)
        return turn

    # --- what becomes of a stream ---------------------------------------------------------

    def _call_first(self, scope: Scope, now: datetime, ready: list[Ready[Item]]) -> None:
        """Take the first stream that waits at a scope, where the scope lets it go or refuses it."""
        stream = self._scopes.first(scope)
        if stream is None:
            return
        blocked = self._tree.blocked_at(scope, now)
        if blocked is not None and not _is_hopeless(blocked, now):
            self._await(scope, now)
            return
        self._scopes.leave(stream)
        heapq.heappush(ready, (stream.rank, stream, scope))

    def _try(self, stream: Stream[Item], now: datetime, turn: Turn[Item]) -> bool:
        """Release a stream's first call, refuse all, or let it wait; whether to try it again."""
        blocked = self._tree.blocked(stream.scopes, now)
        if blocked is None and stream.lane.in_flight < self._places:
            self._release(stream, now, turn)
            return bool(stream.calls)
        if blocked is None:
            stream.lane.parked[stream] = None
        elif _is_hopeless(blocked, now):
            for call in stream.calls:
                del self._calls[call.wish.item]
                turn.refused.append((call.wish.item, blocked))
            self._dissolve(stream)
        else:
            self._scopes.enter(stream, blocked.scope)
            self._await(blocked.scope, now)
        return False

    def _release(self, stream: Stream[Item], now: datetime, turn: Turn[Item]) -> None:
        wish = stream.calls.pop(0).wish
        del self._calls[wish.item]
        self._tree.release(stream.scopes, now, wish.gap, self._draw())
        self._lanes.take_place(stream.lane)
        turn.released.append(wish)
        if not stream.calls:
            self._dissolve(stream)
        for other in stream.lane.streams:
            self._scopes.rank_again(other)

    def _await(self, scope: Scope, now: datetime) -> None:
        """Look at the scope again when it is free."""
        blocked = self._tree.blocked_at(scope, now)
        free = now if blocked is None or blocked.until is None else blocked.until
        self._scopes.look_at(scope, free)

    def _let_rise(self, now: datetime) -> None:
        """Raise the calls of the streams that nobody has looked at for an interval of aging."""
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
        """None of its calls waits any more."""
        self._scopes.leave(stream)
        self._fresh.pop(stream, None)
        self._rising.pop(stream, None)
        self._lanes.remove(stream)
        del self._streams[stream.key]


def _is_hopeless(blocked: Blocked, now: datetime) -> bool:
    """Whether it is not worth waiting for; what is only paced has its turn in the end."""
    if blocked.until is None:
        return True
    return not blocked.is_pace and blocked.until - now > PATIENCE
