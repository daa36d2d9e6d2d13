"""The turns of lanes: a lane waits with an urgency, rises with time, and takes turns. Pure."""

import heapq
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import chain, islice

from runtime.waiting.urgency import LEAST_URGENT, MOST_URGENT, reaches

Heads = Mapping[int, datetime]
"""The time when the first job of each priority falls due, or fell due."""


class Turns:
    """Lanes that have due work, each with the urgency of its most urgent job.

    Lanes of one urgency take turns. A lane that gets another urgency is the last there. Nothing
    here costs more than the logarithm of how many lanes there are.

    Args:
        aging: the time that a job waits until its urgency rises by one.
    """

    def __init__(self, aging: timedelta) -> None:
        self._aging = aging
        # Dicts serve as queues: they keep the order, and give up any key at once.
        self._queues: dict[int, dict[int, None]] = {
            urgency: {} for urgency in range(MOST_URGENT, LEAST_URGENT + 1)
        }
        self._urgency: dict[int, int] = {}
        self._heads: dict[int, Heads] = {}
        # A heap cannot give up an entry in its middle, so outdated rises stay in it. Only the
        # entry that agrees with the next rise of its lane counts.
        self._rises: list[tuple[datetime, int]] = []
        self._next_rise: dict[int, datetime] = {}

    def __len__(self) -> int:
        return len(self._urgency)

    def put(self, key: int, heads: Heads, now: datetime) -> None:
        """Let the lane wait for its turn; a lane whose urgency is the same keeps its position.

        Args:
            heads: the first job of each priority; at least one of them is due.
        """
        self._rise(now)
        self._place(key, heads, now)

    def to_back(self, key: int) -> None:
        """Put a lane that has had its turn behind the others of its urgency."""
        urgency = self._urgency.get(key)
        if urgency is not None:
            del self._queues[urgency][key]
            self._queues[urgency][key] = None

    def remove(self, key: int) -> None:
        """Take a lane out that waits no more."""
        urgency = self._urgency.pop(key, None)
        if urgency is not None:
            del self._queues[urgency][key]
            del self._heads[key]
            self._next_rise.pop(key, None)

    def urgency(self, key: int) -> int | None:
        """Return the urgency with which the lane waits, or None if it does not wait."""
        return self._urgency.get(key)

    def first(self, count: int, now: datetime) -> list[int]:
        """Return up to ``count`` lanes whose turn it is, the most urgent first."""
        self._rise(now)
        return list(islice(chain.from_iterable(self._queues.values()), count))

    def _reaches(self, heads: Heads, urgency: int) -> datetime:
        return min(reaches(one, due, urgency, self._aging) for one, due in heads.items())

    def _rise(self, now: datetime) -> None:
        while self._rises and self._rises[0][0] <= now:
            when, key = heapq.heappop(self._rises)
            if self._next_rise.get(key) == when:
                del self._next_rise[key]
                # It is placed as of the time of its rise, so that lanes line up in the order in
                # which they rose, however late somebody looks.
                self._place(key, self._heads[key], when)

    def _place(self, key: int, heads: Heads, now: datetime) -> None:
        urgency = next(urgency for urgency in self._queues if self._reaches(heads, urgency) <= now)
        if self._urgency.get(key) != urgency:
            self.remove(key)
            self._urgency[key] = urgency
            self._queues[urgency][key] = None
        self._heads[key] = dict(heads)
        self._await_rise(key, urgency)

    def _await_rise(self, key: int, urgency: int) -> None:
        if urgency == MOST_URGENT:
            self._next_rise.pop(key, None)
            return
        when = self._reaches(self._heads[key], urgency - 1)
        if self._next_rise.get(key) == when:
            return
        self._next_rise[key] = when
        heapq.heappush(self._rises, (when, key))
        # Outdated rises must not fill the memory. The heap is only rebuilt when they are more than
        # half of it, so that each change pays for a small part of the rebuilding.
        if len(self._rises) > 2 * len(self._next_rise) + 64:
            self._rises = [(due, one) for one, due in self._next_rise.items()]
            heapq.heapify(self._rises)
