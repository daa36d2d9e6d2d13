"""Streams that wait at scopes, and when each scope is to be looked at again."""

from bisect import bisect_left, insort
from datetime import UTC, datetime
from itertools import count
from typing import Generic

from runtime.rate_limits.closures import Scope
from runtime.rate_limits.streams import Item, Rank, Stream

AT_ONCE = datetime.min.replace(tzinfo=UTC)


class ScopeQueues(Generic[Item]):
    """Sorted: the streams at each scope by rank, and the scopes by when each is looked at."""

    def __init__(self) -> None:
        self._queues: dict[Scope, list[tuple[Rank, Stream[Item]]]] = {}
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
        """Let it wait no more; does nothing where it does not wait at a scope."""
        if stream.at is None:
            return
        queue = self._queues[stream.at]
        del queue[bisect_left(queue, (stream.rank_there, stream))]
        if not queue:
            del self._queues[stream.at]
            self.look_at(stream.at, None)
        stream.at = None

    def rank_again(self, stream: Stream[Item]) -> None:
        """Its rank is another; does nothing where it does not wait at a scope."""
        if stream.at is not None and stream.rank != stream.rank_there:
            queue = self._queues[stream.at]
            del queue[bisect_left(queue, (stream.rank_there, stream))]
            self.enter(stream, stream.at)

    def first(self, scope: Scope) -> Stream[Item] | None:
        """The stream that is to go first of those that wait there."""
        queue = self._queues.get(scope)
        return queue[0][1] if queue else None

    def look_at(self, scope: Scope, when: datetime | None) -> None:
        """Look at the scope then, and not when it was to be looked at until now; None: never."""
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
        """When the next scope is to be looked at."""
        return self._looks[0][0] if self._looks else None

    def take_due(self, now: datetime) -> list[Scope]:
        """The scopes to be looked at by now, in the order of their times."""
        due = []
        while self._looks and self._looks[0][0] <= now:
            _, _, scope = self._looks.pop(0)
            del self._look_of[scope]
            due.append(scope)
        return due
