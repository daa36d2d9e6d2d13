"""The turns of lanes: a lane waits on a level, rises with time, and takes turns there. Pure."""

import heapq
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import chain, islice

from runtime.waiting.urgency import LEAST_URGENT, MOST_URGENT, reaches

Heads = Mapping[int, datetime]
"""The time when the first job of each priority falls due, or fell due."""


class Turns:
    """Lanes that have due work, each on the level of its most urgent job.

    Within a level they take turns. A lane that gets to another level is the last there. Nothing
    here costs more than the logarithm of how many lanes there are.

    Args:
        aging: the time that a job waits until it rises by one level.
    """

    def __init__(self, aging: timedelta) -> None:
        self._aging = aging
        # Dicts serve as queues: they keep the order, and give up any key at once.
        self._queues: dict[int, dict[int, None]] = {
            level: {} for level in range(MOST_URGENT, LEAST_URGENT + 1)
        }
        self._level: dict[int, int] = {}
        self._heads: dict[int, Heads] = {}
        # A heap cannot give up an entry in its middle, so outdated rises stay in it. Only the
        # entry that agrees with the next rise of its lane counts.
        self._rises: list[tuple[datetime, int]] = []
        self._next_rise: dict[int, datetime] = {}

    def __len__(self) -> int:
        return len(self._level)

    def put(self, key: int, heads: Heads, now: datetime) -> None:
        """Let the lane wait for its turn; a lane that waits on the same level keeps its place.

        Args:
            heads: the first job of each priority; at least one of them is due.
        """
        self._rise(now)
        self._place(key, heads, now)

    def to_back(self, key: int) -> None:
        """Put a lane that has had its turn behind the others of its level."""
        level = self._level.get(key)
        if level is not None:
            del self._queues[level][key]
            self._queues[level][key] = None

    def remove(self, key: int) -> None:
        """Take a lane out that waits no more."""
        level = self._level.pop(key, None)
        if level is not None:
            del self._queues[level][key]
            del self._heads[key]
            self._next_rise.pop(key, None)

    def level(self, key: int) -> int | None:
        """Return the level on which the lane waits, or None if it does not wait."""
        return self._level.get(key)

    def first(self, count: int, now: datetime) -> list[int]:
        """Return up to ``count`` lanes whose turn it is, the most urgent level first."""
        self._rise(now)
        return list(islice(chain.from_iterable(self._queues.values()), count))

    def _reaches(self, heads: Heads, level: int) -> datetime:
        return min(reaches(one, due, level, self._aging) for one, due in heads.items())

    def _rise(self, now: datetime) -> None:
        while self._rises and self._rises[0][0] <= now:
            when, key = heapq.heappop(self._rises)
            if self._next_rise.get(key) == when:
                del self._next_rise[key]
                # It is placed as of the time of its rise, so that lanes line up in the order in
                # which they rose, however late somebody looks.
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
        # Outdated rises must not fill the memory. The heap is only rebuilt when they are more than
        # half of it, so that each change pays for a small part of the rebuilding.
        if len(self._rises) > 2 * len(self._next_rise) + 64:
            self._rises = [(due, one) for one, due in self._next_rise.items()]
            heapq.heapify(self._rises)
