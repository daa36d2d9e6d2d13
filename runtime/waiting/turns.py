"""Whose turn it is: lanes on levels that rise while they wait, in turns on each level. Pure."""

import heapq
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import chain, islice

from runtime.waiting.urgency import LEAST_URGENT, MOST_URGENT, reaches

Heads = Mapping[int, datetime]
"""When the first job of each priority falls due, or fell due."""


class Turns:
    """Lanes that have due work, each on the level of its most urgent job.

    Within a level they take turns. A lane that gets to another level is the last there. Nothing
    here costs more than the logarithm of how many lanes there are.

    Args:
        aging: how long a job waits until it rises by one level.
    """

    def __init__(self, aging: timedelta) -> None:
        self._aging = aging
        self._queues: dict[int, dict[int, None]] = {
            level: {} for level in range(MOST_URGENT, LEAST_URGENT + 1)
        }
        self._level: dict[int, int] = {}
        self._heads: dict[int, Heads] = {}
        # The next rise of each lane; what is left of earlier ones is passed over.
        self._rises: list[tuple[datetime, int]] = []
        self._next_rise: dict[int, datetime] = {}

    def __len__(self) -> int:
        return len(self._level)

    def put(self, key: int, heads: Heads, now: datetime) -> None:
        """Let the lane wait for its turn; one that waits on the same level keeps its place.

        Args:
            heads: at least one of them is due.
        """
        self._rise(now)
        self._place(key, heads, now)

    def to_back(self, key: int) -> None:
        """The lane has had its turn."""
        level = self._level.get(key)
        if level is not None:
            del self._queues[level][key]
            self._queues[level][key] = None

    def remove(self, key: int) -> None:
        """The lane waits no more."""
        level = self._level.pop(key, None)
        if level is not None:
            del self._queues[level][key]
            del self._heads[key]
            self._next_rise.pop(key, None)

    def level(self, key: int) -> int | None:
        """The level on which the lane waits; None where it does not."""
        return self._level.get(key)

    def first(self, count: int, now: datetime) -> list[int]:
        """Up to ``count`` lanes whose turn it is, the best level first."""
        self._rise(now)
        return list(islice(chain.from_iterable(self._queues.values()), count))

    def _reaches(self, heads: Heads, level: int) -> datetime:
        return min(reaches(one, due, level, self._aging) for one, due in heads.items())

    def _rise(self, now: datetime) -> None:
        while self._rises and self._rises[0][0] <= now:
            when, key = heapq.heappop(self._rises)
            if self._next_rise.get(key) == when:
                del self._next_rise[key]
                self._place(key, self._heads[key], when)

    def _place(self, key: int, heads: Heads, now: datetime) -> None:
        level = next(level for level in self._queues if self._reaches(heads, level) <= now)
        if self._level.get(key) != level:
            self.remove(key)
            self._level[key] = level
            self._queues[level][key] = None
        self._heads[key] = dict(heads)
        self._await_rise(key, level)

    def _await_rise(self, key: int, level: int) -> None:
        if level == MOST_URGENT:
            self._next_rise.pop(key, None)
            return
        when = self._reaches(self._heads[key], level - 1)
        if self._next_rise.get(key) == when:
            return
        self._next_rise[key] = when
        heapq.heappush(self._rises, (when, key))
        if len(self._rises) > 2 * len(self._next_rise) + 64:
            self._rises = [(due, one) for one, due in self._next_rise.items()]
            heapq.heapify(self._rises)
