"""The lanes of one marketplace: which have work, which have room, whose turn it is."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from runtime.clock import Timer
from runtime.closures import Node
from runtime.hookspecs import Marketplace
from runtime.job import Job
from runtime.messages import LaneRequest, LaneShop

MAX_LANES_PER_CLAIM = 100
MAX_JOBS_PER_CLAIM = 100


@dataclass(slots=True)
class Lane:
    """The queue of one shop; where a browser executes, of one seller.

    Attributes:
        hungry: there is, or may be, work that was not claimed.
        ready: claimed jobs that wait for a place.
        running: how many jobs have a place.
    """

    key: int
    shops: set[int] = field(default_factory=set)
    hungry: bool = False
    ready: deque[Job] = field(default_factory=deque)
    running: int = 0
    due_timer: Timer | None = None


@dataclass(slots=True)
class PendingClaim:
    """A claim that was asked for and not answered."""

    sequence: int
    sent_at: datetime


class Lanes:
    """All lanes, and the order in which they are asked for.

    A lane is *hungry* from the time work was found for it until a claim found no more. Those
    that are hungry, can be served and have room take turns; what they cost does not depend on
    how many others there are.
    """

    def __init__(self, marketplace: Marketplace) -> None:
        self._marketplace = marketplace
        self._places = 1 if marketplace.browser_bound else marketplace.lane_concurrency
        self._lanes: dict[int, Lane] = {}
        self._turns: dict[int, None] = {}
        self._startable: dict[int, None] = {}
        self._found_again: set[int] = set()
        self._present: set[int] = set()
        self._key_of_shop: dict[int, int] = {}
        self._closed_shops: set[int] = set()
        self._closed_above: set[Node] = set()
        self.taken = 0
        """Places of the marketplace that are taken by running and ready jobs."""

    def get(self, key: int) -> Lane | None:
        """The lane, where it is known."""
        return self._lanes.get(key)

    def found(self, shops: Iterable[LaneShop]) -> None:
        """There is, or may be, work for these shops."""
        for shop in shops:
            self.mark_hungry(self._lane(shop))

    def mark_hungry(self, lane: Lane) -> None:
        """There may be work for this lane."""
        lane.hungry = True
        self._found_again.add(lane.key)
        self._refresh(lane)

    def exhausted(self, key: int) -> Lane | None:
        """A claim found no more work; None where work was found since the claim was sent."""
        lane = self._lanes.get(key)
        if lane is None or key in self._found_again:
            return None
        lane.hungry = False
        self._refresh(lane)
        return lane

    def seller_connected(self, user_id: int) -> None:
        """The lane of this seller can be served."""
        self._present.add(user_id)
        self._refresh(self._lanes.get(user_id))

    def seller_disconnected(self, user_id: int) -> None:
        """The lane of this seller cannot be served."""
        self._present.discard(user_id)
        self._refresh(self._lanes.get(user_id))

    def shop_closed(self, shop_id: int, closed: bool) -> None:
        """No jobs of this shop are asked for while it is closed; the seller's others go on."""
        (self._closed_shops.add if closed else self._closed_shops.discard)(shop_id)
        lane = self._lanes.get(self._key_of_shop.get(shop_id, -1))
        if lane is None:
            return
        if closed:
            self._refresh(lane)
        else:
            self.mark_hungry(lane)

    def marketplace_closed(self, node: Node, closed: bool) -> None:
        """No jobs at all are asked for while any node above the shops is closed."""
        (self._closed_above.add if closed else self._closed_above.discard)(node)

    def next_requests(self) -> tuple[tuple[LaneRequest, ...], int]:
        """The lanes whose turn it is, each with its room, and how many jobs they may get."""
        limit = min(self._marketplace.concurrency - self.taken, MAX_JOBS_PER_CLAIM)
        if self._closed_above:
            return (), limit
        keys = list(islice(self._turns, max(0, min(limit, MAX_LANES_PER_CLAIM))))
        requests = []
        for key in keys:
            lane = self._lanes[key]
            del self._turns[key]
            self._turns[key] = None
            room = min(self._room(lane), MAX_JOBS_PER_CLAIM)
            requests.append(LaneRequest(key, tuple(sorted(self._open_shops(lane))), room))
        if requests:
            self._found_again.clear()
        return tuple(requests), limit

    def add_ready(self, job: Job) -> None:
        """A job was claimed."""
        lane = self._lane(LaneShop(job.shop.id, job.user_id))
        lane.ready.append(job)
        self.taken += 1
        self._refresh(lane)

    def start_next(self) -> tuple[Lane, Job] | None:
        """Give a place to the next ready job of a lane that has one."""
        for key in self._startable:
            lane = self._lanes[key]
            job = lane.ready.popleft()
            lane.running += 1
            self._refresh(lane)
            return lane, job
        return None

    def take_ready(self) -> list[tuple[Lane, Job]]:
        """Give a place to every job that has not started, so that it can be handed back."""
        taken = []
        for lane in self._lanes.values():
            while lane.ready:
                lane.running += 1
                taken.append((lane, lane.ready.popleft()))
            self._refresh(lane)
        return taken

    def ready_runs(self) -> set[tuple[int, int]]:
        """The (job, fence) of every job that has not started."""
        return {(job.id, job.fence) for key in self._lanes for job in self._lanes[key].ready}

    def ended(self, lane: Lane) -> None:
        """A running job of the lane gave its place back."""
        lane.running -= 1
        self.taken -= 1
        self.mark_hungry(lane)

    def _room(self, lane: Lane) -> int:
        return self._places - lane.running - len(lane.ready)

    def _open_shops(self, lane: Lane) -> set[int]:
        return lane.shops - self._closed_shops if self._closed_shops else lane.shops

    def _refresh(self, lane: Lane | None) -> None:
        if lane is None:
            return
        served = not self._marketplace.browser_bound or lane.key in self._present
        served = served and bool(self._open_shops(lane))
        _set_membership(self._turns, lane.key, lane.hungry and served and self._room(lane) > 0)
        has_place = lane.running < self._places
        _set_membership(self._startable, lane.key, bool(lane.ready) and has_place)

    def _lane(self, shop: LaneShop) -> Lane:
        key = shop.user_id if self._marketplace.browser_bound else shop.shop_id
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        lane.shops.add(shop.shop_id)
        self._key_of_shop[shop.shop_id] = key
        return lane


def _set_membership(ordered: dict[int, None], key: int, member: bool) -> None:
    if member:
        ordered.setdefault(key)
    else:
        ordered.pop(key, None)
