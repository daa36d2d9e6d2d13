"""The lanes of a call queue, and how many turns each has had."""

from collections.abc import Iterator
from typing import Generic

from runtime.rate_limits.streams import Item, Lane, Stream


class LaneTurns(Generic[Item]):
    """Lanes that have something to do, and those that have had more turns than others.

    Attributes:
        released: how many calls of all lanes have had their turn.
        in_flight: how many of these have not left their place yet.
    """

    def __init__(self) -> None:
        self.released = 0
        self.in_flight = 0
        self._lanes: dict[int, Lane[Item]] = {}
        self._resting: dict[int, Lane[Item]] = {}
        self._streams = 0
        self._round = 0

    def __len__(self) -> int:
        return len(self._lanes)

    def get(self, key: int) -> Lane[Item] | None:
        """The lane, where there is something to remember of it."""
        return self._lanes.get(key)

    def lane_with_work(self, key: int) -> Lane[Item]:
        """The lane, to which a stream is about to be added."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key, self._round)
        elif self._resting.pop(key, None) is not None:
            # Else it would have the turns that it did not use, all at once.
            lane.turn = max(lane.turn, self._round)
        return lane

    def add(self, stream: Stream[Item]) -> None:
        """The stream has waiting calls."""
        stream.lane.streams.add(stream)
        self._streams += 1

    def remove(self, stream: Stream[Item]) -> None:
        """The stream has none any more."""
        stream.lane.streams.remove(stream)
        stream.lane.parked.pop(stream, None)
        self._streams -= 1
        self._rest(stream.lane)

    def take_place(self, lane: Lane[Item]) -> None:
        """A call of the lane leaves."""
        lane.in_flight += 1
        lane.released += 1
        self.in_flight += 1
        self.released += 1
        self._round = max(self._round, lane.turn)
        lane.turn += 1
        self._forget_rested()

    def free_place(self, lane: Lane[Item]) -> None:
        """A call of the lane that had left was answered."""
        lane.in_flight -= 1
        self.in_flight -= 1
        self._rest(lane)

    def _rest(self, lane: Lane[Item]) -> None:
        """A lane that has nothing to do is remembered only while it has had more than others."""
        if not lane.streams and lane.in_flight == 0:
            self._resting[lane.key] = lane
            self._forget_rested()

    def _forget_rested(self) -> None:
        for key in list(self._first_rested() if self._streams else self._resting):
            del self._resting[key], self._lanes[key]

    def _first_rested(self) -> Iterator[int]:
        for key, lane in self._resting.items():
            if lane.turn > self._round:
                return
            yield key
