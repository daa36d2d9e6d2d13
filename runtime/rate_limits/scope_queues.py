"""The streams that wait at scopes, and the time of the next look at each scope.

Every stream stands in at most one queue, under the rank that it has now. A reader can therefore
take each entry for true, and the queues need no stale entries that are recognised later.
"""

from bisect import bisect_left, insort
from datetime import UTC, datetime
from itertools import count
from typing import Generic

from runtime.rate_limits.closures import Scope
from runtime.rate_limits.streams import Item, Rank, Stream

AT_ONCE = datetime.min.replace(tzinfo=UTC)
"""A time before every other: the scope is due at the next look, whatever the clock says."""


class ScopeQueues(Generic[Item]):
    """Sorts the streams at each scope by rank, and the scopes by the time of their next look."""

    def __init__(self) -> None:
        # Plain lists, which `bisect` keeps sorted: `benchmarks/call_queue.py` shows no gain from
        # heaps, whose stale entries would have to be recognised, or from a library of sorted
        # containers.
        self._queues: dict[Scope, list[tuple[Rank, Stream[Item]]]] = {}
        # The number in the middle breaks ties between equal times, because scopes have no order.
        self._looks: list[tuple[datetime, int, Scope]] = []
        self._look_of: dict[Scope, tuple[datetime, int, Scope]] = {}
        self._order = count()

    def __len__(self) -> int:
        return len(self._queues)

    def __contains__(self, scope: Scope) -> bool:
        return scope in self._queues

    def enter(self, stream: Stream[Item], scope: Scope) -> None:
        """Let the stream wait at the scope."""
        stream.at, stream.rank_there = scope, stream.rank
        queue = self._queues.get(scope)
        if queue is None:
            queue = self._queues[scope] = []
        insort(queue, (stream.rank_there, stream))

    def leave(self, stream: Stream[Item]) -> None:
        """Take the stream out of its queue; does nothing if it does not wait at a scope."""
        if stream.at is None:
            return
        # The rank may have changed since the stream came; the queue is sorted by the former rank.
        queue = self._queues[stream.at]
        del queue[bisect_left(queue, (stream.rank_there, stream))]
        # The planned look goes with the last stream, or the service would be woken for nobody.
        if not queue:
            del self._queues[stream.at]
            self.look_at(stream.at, None)
        stream.at = None

    def rank_again(self, stream: Stream[Item]) -> None:
        """Move a stream whose rank changed; does nothing if it does not wait at a scope."""
        if stream.at is not None and stream.rank != stream.rank_there:
            queue = self._queues[stream.at]
            del queue[bisect_left(queue, (stream.rank_there, stream))]
            self.enter(stream, stream.at)

    def first(self, scope: Scope) -> Stream[Item] | None:
        """Return the stream that goes first of those that wait at the scope, or None."""
        queue = self._queues.get(scope)
        return queue[0][1] if queue else None

    def look_at(self, scope: Scope, when: datetime | None) -> None:
        """Plan the next look at a scope; it replaces the look planned before.

        Args:
            when: the time of the look; None plans no look.
        """
        former = self._look_of.get(scope)
        if former is not None:
            if former[0] == when:
                return
            del self._looks[bisect_left(self._looks, former)]
            del self._look_of[scope]
        if when is not None:
            look = self._look_of[scope] = (when, next(self._order), scope)
            insort(self._looks, look)

    def next_look(self) -> datetime | None:
        """Return the time of the next look at any scope, or None if no look is planned."""
        return self._looks[0][0] if self._looks else None

    def take_due(self, now: datetime) -> list[Scope]:
        """Remove and return the scopes whose look is due, in the order of their times."""
        due = []
        while self._looks and self._looks[0][0] <= now:
            _, _, scope = self._looks.pop(0)
            del self._look_of[scope]
            due.append(scope)
        return due
