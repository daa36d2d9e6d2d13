"""The lanes of a call queue, and the number of turns that each lane has had."""

from collections.abc import Iterator
from typing import Generic

from runtime.rate_limits.streams import CallLane, Item, Stream


class LaneTurns(Generic[Item]):
    """Remembers the lanes that have work, and idle lanes that have had more turns than others.

    Attributes:
        released: the number of calls of all lanes that were released.
        in_flight: the number of released calls that still have their place.
    """

    def __init__(self) -> None:
        self.released = 0
        self.in_flight = 0
        self._lanes: dict[int, CallLane[Item]] = {}
        self._resting: dict[int, CallLane[Item]] = {}
        self._streams = 0
        self._round = 0

    def __len__(self) -> int:
        return len(self._lanes)

    def get(self, key: int) -> CallLane[Item] | None:
        """Return the lane, or None if it is not remembered."""
        return self._lanes.get(key)

    def lane_with_work(self, key: int) -> CallLane[Item]:
        """Return the lane to which a stream is about to be added; it is made if it is unknown."""
        lane = self._lanes.get(key)
        if lane is None:
            # A new lane starts at the present round: from 0 on it would go before all others until
            # it had caught up.
            lane = self._lanes[key] = CallLane(key, self._round)
        elif self._resting.pop(key, None) is not None:
            # A lane that was idle would otherwise take all the turns that it did not use at once,
            # before any other lane.
            lane.turn = max(lane.turn, self._round)
        return lane

    def add(self, stream: Stream[Item]) -> None:
        """Add a stream, which has waiting calls, to its lane."""
        stream.lane.streams.add(stream)
        self._streams += 1

    def remove(self, stream: Stream[Item]) -> None:
        """Remove a stream that has no waiting calls any more."""
        stream.lane.streams.remove(stream)
        stream.lane.parked.pop(stream, None)
        self._streams -= 1
        self._rest(stream.lane)

    def take_place(self, lane: CallLane[Item]) -> None:
        """Count a call of the lane that is released."""
        lane.in_flight += 1
        lane.released += 1
        self.in_flight += 1
        self.released += 1
        self._round = max(self._round, lane.turn)
        lane.turn += 1
        self._forget_rested()

    def free_place(self, lane: CallLane[Item]) -> None:
        """Give the place of a released call of the lane back."""
        lane.in_flight -= 1
        self.in_flight -= 1
        self._rest(lane)

    def _rest(self, lane: CallLane[Item]) -> None:
        """Let an idle lane rest: it is remembered only while it has had more turns than others.

        If it were forgotten earlier, it would come back at the present round, and would have the
        turns twice that it was ahead.
        """
        if not lane.streams and lane.in_flight == 0:
            self._resting[lane.key] = lane
            self._forget_rested()

    def _forget_rested(self) -> None:
        # Where no stream waits, there is no other lane that the turns could be compared with.
        for key in list(self._first_rested() if self._streams else self._resting):
            del self._resting[key], self._lanes[key]

    def _first_rested(self) -> Iterator[int]:
        for key, lane in self._resting.items():
            if lane.turn > self._round:
                return
            yield key
