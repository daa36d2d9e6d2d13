"""Calls that wait for their turn: pure, driven by whoever knows the time.

Calls of one action of one shop make a *stream*. A stream waits at the one scope of its path that
stands in its way for longest, and is looked at again when that scope is free; or for a place in
its lane. Among streams that may go, better priority comes first, then lanes in turns, then who
came first. What waits rises by one level of priority per interval of aging.
"""

import heapq
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Generic, TypeVar

from runtime.rate_limits import Blocked, BudgetTree
from runtime.rate_limits.closures import Scope, path

PATIENCE = timedelta(seconds=60)
"""A call waits so long for a scope to open; one that would have to wait longer is refused."""

AGING = timedelta(minutes=15)
"""A call that waits so long counts as one level more urgent, so that none waits for ever."""

AT_ONCE = datetime.min.replace(tzinfo=UTC)

Item = TypeVar("Item", bound=Hashable)
Rank = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Wish(Generic[Item]):
    """A call that wants to leave.

    Attributes:
        lane: whose places it needs one of.
        gap: least time until the next call of the same stream.
    """

    item: Item
    shop_id: int
    action: str
    lane: int
    priority: int
    gap: timedelta = timedelta(0)


@dataclass(slots=True)
class Turn(Generic[Item]):
    """What became of calls: they may leave now, or are not to wait any longer."""

    released: list[Wish[Item]] = field(default_factory=list)
    refused: list[tuple[Item, Blocked]] = field(default_factory=list)


@dataclass(slots=True)
class _Lane:
    """Attributes: ``turn`` grows with each release; lanes with a smaller one come first."""

    turn: int
    released: int = 0
    in_flight: int = 0
    streams: int = 0
    parked: list["_Stream"] = field(default_factory=list)


class _Stream:
    """Attributes: ``entry`` numbers its one valid entry in a heap; ``at`` is where it waits."""

    __slots__ = ("at", "entry", "lane", "lane_key", "scopes", "wishes")

    def __init__(self, scopes: tuple[Scope, ...], lane_key: int, lane: _Lane) -> None:
        self.scopes = scopes
        self.lane_key = lane_key
        self.lane = lane
        self.wishes: list[tuple[int, int, datetime, Wish]] = []  # type: ignore[type-arg]
        self.at: Scope | None = None
        self.entry = -1

    @property
    def rank(self) -> Rank:
        """Smaller goes first."""
        priority, order, *_ = self.wishes[0]
        return (priority, self.lane.turn, order)


_Heap = list[tuple[Rank, int, _Stream]]


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
        self._ages: list[tuple[datetime, tuple[int, str]]] = []
        self._ages_of: set[tuple[int, str]] = set()
        self._order = count()
        self._streams: dict[tuple[int, str], _Stream] = {}
        self._of_item: dict[Item, _Stream] = {}
        self._lanes: dict[int, _Lane] = {}
        self._resting: dict[int, _Lane] = {}
        self._round = 0
        self._fresh: list[_Stream] = []
        self._waiting: dict[Scope, _Heap] = {}
        self._due: list[tuple[datetime, int, Scope]] = []
        self._due_at: dict[Scope, datetime] = {}
        self._released = 0
        self._in_flight = 0

    def __len__(self) -> int:
        """How many calls wait."""
        return len(self._of_item)

    @property
    def remembered(self) -> int:
        """How many streams, lanes and scopes there is something to remember of."""
        return len(self._streams) + len(self._lanes) + len(self._waiting)

    def in_flight(self, lane: int) -> int:
        """How many places of the lane are taken."""
        known = self._lanes.get(lane)
        return known.in_flight if known is not None else 0

    def released(self, lane: int | None = None) -> int:
        """How many calls have had their turn; of a lane, since it had something to do."""
        if lane is None:
            return self._released
        known = self._lanes.get(lane)
        return known.released if known is not None else 0

    def landed(self, lane: int | None = None) -> int:
        """How many of them have left their place again."""
        in_flight = self._in_flight if lane is None else self.in_flight(lane)
        return self.released(lane) - in_flight

    def put(self, wish: Wish[Item], now: datetime) -> None:
        """A call wants to leave; :meth:`take` says when it may."""
        key = (wish.shop_id, wish.action)
        stream = self._streams.get(key)
        if stream is None:
            lane = self._lane(wish.lane)
            lane.streams += 1
            scopes = path(self._marketplace, wish.shop_id, wish.action)
            stream = self._streams[key] = _Stream(scopes, wish.lane, lane)
            self._fresh.append(stream)
        before = stream.wishes[0][:2] if stream.wishes else None
        heapq.heappush(stream.wishes, (wish.priority, next(self._order), now, wish))
        self._of_item[wish.item] = stream
        if wish.priority > 1:
            self._grow_older(key, now)
        if stream.at is not None and stream.wishes[0][:2] != before:
            self._enter(stream, stream.at)

    def withdraw(self, item: Item) -> None:
        """The call does not want to leave any more; does nothing where it does not wait."""
        stream = self._of_item.pop(item, None)
        if stream is not None and not self._has_wishes(stream):
            self._dissolve(stream)

    def place_freed(self, lane: int) -> None:
        """A call of the lane that had left was answered."""
        known = self._lanes[lane]
        known.in_flight -= 1
        self._in_flight -= 1
        self._fresh.extend(known.parked)
        known.parked = []
        self._rest(lane, known)

    def changed(self, scope: Scope) -> None:
        """A scope was closed or opened, or its limits are others: look at who waits there."""
        if scope in self._waiting:
            self._due_at[scope] = AT_ONCE
            heapq.heappush(self._due, (AT_ONCE, next(self._order), scope))

    def next_due(self) -> datetime | None:
        """When a call may leave that may not now; None where none waits for a time."""
        while self._due:
            when, _, scope = self._due[0]
            if self._due_at.get(scope) == when:
                return when
            heapq.heappop(self._due)
        return None

    def take(self, now: datetime) -> Turn[Item]:
        """Let go what may go now."""
        turn: Turn[Item] = Turn()
        self._let_rise(now)
        ready: list[tuple[Rank, int, _Stream, Scope | None]] = []
        for stream in self._take_fresh():
            heapq.heappush(ready, (stream.rank, next(self._order), stream, None))
        for scope in self._due_scopes(now):
            self._next_of(scope, ready, now)
        while ready:
            _, _, stream, left = heapq.heappop(ready)
            again = self._try(stream, now, turn)
            if again is not None:
                heapq.heappush(ready, (again.rank, next(self._order), again, None))
            if left is not None:
                self._next_of(left, ready, now)
        return turn

    def _try(self, stream: _Stream, now: datetime, turn: Turn[Item]) -> _Stream | None:
        """Release or refuse a stream's first call, or let it wait; returns it to try it again."""
        if not self._has_wishes(stream):
            return None
        blocked = self._tree.blocked(stream.scopes, now)
        if blocked is not None and _is_hopeless(blocked, now):
            turn.refused.extend((item, blocked) for item in self._items(stream))
            self._dissolve(stream)
            return None
        if blocked is not None:
            assert blocked.until is not None
            self._enter(stream, blocked.scope)
            self._await(blocked.scope, now)
            return None
        if stream.lane.in_flight >= self._places:
            stream.lane.parked.append(stream)
            return None
        return self._release(stream, now, turn)

    def _release(self, stream: _Stream, now: datetime, turn: Turn[Item]) -> _Stream | None:
        *_, wish = heapq.heappop(stream.wishes)
        del self._of_item[wish.item]
        self._tree.release(stream.scopes, now, wish.gap, self._draw())
        lane = stream.lane
        lane.in_flight += 1
        lane.released += 1
        self._released += 1
        self._in_flight += 1
        self._round = max(self._round, lane.turn)
        lane.turn += 1
        turn.released.append(wish)
        self._forget_rested()
        if self._has_wishes(stream):
            return stream
        self._dissolve(stream)
        return None

    # --- who waits where ------------------------------------------------------------------

    def _enter(self, stream: _Stream, scope: Scope) -> None:
        stream.at = scope
        stream.entry = next(self._order)
        heap = self._waiting.setdefault(scope, [])
        heapq.heappush(heap, (stream.rank, stream.entry, stream))

    def _next_of(
        self, scope: Scope, ready: list[tuple[Rank, int, _Stream, Scope | None]], now: datetime
    ) -> None:
        """Take the first stream that waits at a scope, where the scope lets it go or refuses it."""
        heap = self._waiting.get(scope, [])
        while heap:
            rank, entry, stream = heap[0]
            if entry != stream.entry:
                heapq.heappop(heap)
                continue
            blocked = self._tree.blocked_at(scope, now)
            if blocked is not None and not _is_hopeless(blocked, now):
                self._await(scope, now)
                return
            heapq.heappop(heap)
            if rank != stream.rank:
                self._enter(stream, scope)
                continue
            stream.at, stream.entry = None, -1
            heapq.heappush(ready, (rank, next(self._order), stream, scope))
            return
        self._waiting.pop(scope, None)
        self._due_at.pop(scope, None)

    def _await(self, scope: Scope, now: datetime) -> None:
        """Look at the scope again when it is free."""
        blocked = self._tree.blocked_at(scope, now)
        due = now if blocked is None or blocked.until is None else blocked.until
        if self._due_at.get(scope) != due:
            self._due_at[scope] = due
            heapq.heappush(self._due, (due, next(self._order), scope))

    def _due_scopes(self, now: datetime) -> list[Scope]:
        due: dict[Scope, None] = {}
        while self._due and (self._due[0][0] <= now):
            when, _, scope = heapq.heappop(self._due)
            if self._due_at.get(scope) == when:
                del self._due_at[scope]
                due[scope] = None
        return list(due)

    def _take_fresh(self) -> Iterator[_Stream]:
        fresh, self._fresh = self._fresh, []
        for stream in fresh:
            if stream.at is None and self._has_wishes(stream):
                yield stream

    # --- aging ----------------------------------------------------------------------------

    def _grow_older(self, key: tuple[int, str], now: datetime) -> None:
        """Look at the stream again after an interval; there is one such look for each stream."""
        if key not in self._ages_of:
            self._ages_of.add(key)
            heapq.heappush(self._ages, (now + self._aging, key))

    def _let_rise(self, now: datetime) -> None:
        while self._ages and self._ages[0][0] <= now:
            _, key = heapq.heappop(self._ages)
            self._ages_of.discard(key)
            stream = self._streams.get(key)
            if stream is None or not self._has_wishes(stream):
                continue
            stream.wishes = [
                (max(1, wish.priority - (now - since) // self._aging), order, since, wish)
                for _, order, since, wish in stream.wishes
            ]
            heapq.heapify(stream.wishes)
            self._has_wishes(stream)
            if stream.at is not None:
                self._enter(stream, stream.at)
            if any(priority > 1 for priority, *_ in stream.wishes):
                self._grow_older(key, now)

    # --- streams and lanes ----------------------------------------------------------------

    def _has_wishes(self, stream: _Stream) -> bool:
        """Whether any call of it waits; those that were withdrawn are dropped on the way."""
        wishes = stream.wishes
        dropped = False
        while wishes and self._of_item.get(wishes[0][3].item) is not stream:
            heapq.heappop(wishes)
            dropped = True
        if dropped and wishes and stream.at is not None:
            self._enter(stream, stream.at)
        return bool(wishes)

    def _items(self, stream: _Stream) -> Iterator[Item]:
        for *_, wish in sorted(stream.wishes, key=lambda one: one[:2]):
            if self._of_item.get(wish.item) is stream:
                del self._of_item[wish.item]
                yield wish.item

    def _dissolve(self, stream: _Stream) -> None:
        stream.at, stream.entry = None, -1
        stream.wishes = []
        shop, action = stream.scopes[-1].shop_id, stream.scopes[-1].action
        assert shop is not None
        assert action is not None
        if self._streams.get((shop, action)) is stream:
            del self._streams[shop, action]
            stream.lane.streams -= 1
            if stream in stream.lane.parked:
                stream.lane.parked.remove(stream)
            self._rest(stream.lane_key, stream.lane)

    def _lane(self, key: int) -> _Lane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(self._round)
        elif self._resting.pop(key, None) is not None:
            lane.turn = max(lane.turn, self._round)
        return lane

    def _rest(self, key: int, lane: _Lane) -> None:
        """A lane that has nothing to do is remembered only while it has had more than others."""
        if lane.streams == lane.in_flight == 0:
            self._resting[key] = lane
            self._forget_rested()

    def _forget_rested(self) -> None:
        rested = deque(self._resting) if not self._streams else deque(self._first_rested())
        for key in rested:
            del self._resting[key], self._lanes[key]

    def _first_rested(self) -> Iterator[int]:
        for key, lane in self._resting.items():
            if lane.turn > self._round:
                return
            yield key


def _is_hopeless(blocked: Blocked, now: datetime) -> bool:
    """Whether it is not worth waiting for; what is only paced has its turn in the end."""
    if blocked.until is None:
        return True
    return not blocked.is_pace and blocked.until - now > PATIENCE
