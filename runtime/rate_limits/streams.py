"""The records of a call queue: a waiting call, its stream and its lane.

A stream is the waiting calls of one action of one shop. Its calls have the same path of scopes.
"""

from bisect import bisect_left, insort
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from runtime.rate_limits.closures import Scope

Item = TypeVar("Item", bound=Hashable)
Rank = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Wish(Generic[Item]):
    """A call that wants to leave.

    Attributes:
        lane: the key of the lane in which the call needs a place.
        priority: 1 is the most urgent.
        gap: the least time until the next call of the same stream.
    """

    item: Item
    shop_id: int
    action: str
    lane: int
    priority: int
    gap: timedelta = timedelta(0)


class WaitingCall(Generic[Item]):
    """A wish that waits since ``since``; sorts by its risen priority, then by ``order``."""

    __slots__ = ("order", "priority", "since", "stream", "wish")

    def __init__(
        self, wish: Wish[Item], order: int, since: datetime, stream: "Stream[Item]"
    ) -> None:
        self.wish = wish
        self.order = order
        self.since = since
        self.stream = stream
        self.priority = wish.priority

    def __lt__(self, other: "WaitingCall[Item]") -> bool:
        return (self.priority, self.order) < (other.priority, other.order)


@dataclass(slots=True, eq=False)
class CallLane(Generic[Item]):
    """A lane of calls, with its streams and its places.

    Attributes:
        turn: grows with each release; a lane with a smaller number comes first.
        streams: the streams of the lane; each has waiting calls.
        parked: the streams that wait for a place in the lane; a dict, because it keeps the order.
    """

    key: int
    turn: int
    released: int = 0
    in_flight: int = 0
    streams: set["Stream[Item]"] = field(default_factory=set)
    parked: dict["Stream[Item]", None] = field(default_factory=dict)


class Stream(Generic[Item]):
    """The sorted waiting calls of one action of one shop; it is dissolved with its last call.

    Attributes:
        at: the scope at which it waits, or None.
        rank_there: the rank under which it waits there.
    """

    __slots__ = ("at", "calls", "key", "lane", "rank_there", "scopes")

    def __init__(
        self, key: tuple[int, str], scopes: tuple[Scope, ...], lane: CallLane[Item]
    ) -> None:
        self.key = key
        self.scopes = scopes
        self.lane = lane
        self.calls: list[WaitingCall[Item]] = []
        self.at: Scope | None = None
        self.rank_there: Rank = (0, 0, 0)

    @property
    def rank(self) -> Rank:
        """The position in the order of streams: the smallest goes first, and no two are equal."""
        first = self.calls[0]
        return (first.priority, self.lane.turn, first.order)

    def add(self, call: WaitingCall[Item]) -> None:
        """Add a waiting call."""
        insort(self.calls, call)

    def remove(self, call: WaitingCall[Item]) -> None:
        """Remove a call that does not wait any more."""
        del self.calls[bisect_left(self.calls, call)]
