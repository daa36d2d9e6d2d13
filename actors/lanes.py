"""The lanes of one marketplace, with their work, their room and their turns.

A lane is in one of these places; :meth:`Lanes._refresh` moves it whenever something changes::

    nothing is known to wait, no room, seller away, shops closed   ──  in none of them
    work that falls due later                                      ──  waits for its timer
    work that is due                                               ──  in the turns: may be claimed
    claimed jobs that wait for a place                             ──  startable (also beside these)

The actor only knows hints of the jobs, and the database alone knows the jobs of a lane. The actor
therefore keeps the order of the lanes, and the claim keeps the order within a lane.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runtime.marketplaces.record import Marketplace
from runtime.messages import LaneDue, LaneHeads, LaneRequest, LaneShop
from runtime.process.clock import Clock, Timer
from runtime.rate_limits.closures import Scope
from runtime.runs.job import Job
from runtime.waiting.lane_work import LaneWork
from runtime.waiting.turns import Turns
from runtime.waiting.urgency import LEAST_URGENT, MOST_URGENT, urgency

# Larger claims take longer than what they save: claims of about 100 overlap best with settling.
MAX_LANES_PER_CLAIM = 100
MAX_JOBS_PER_CLAIM = 100
SPARE_LANES = 10
"""A claim names so many lanes beyond the places. They get the places of lanes that turn out to have
nothing; these places would otherwise go to further jobs of lanes that have had their turn."""

REST = timedelta(milliseconds=50)
"""A job that is due and was not claimed is held by somebody for the moment. Its lane is left alone
for this time, or it would be claimed in vain without a pause."""
NOW = timedelta(0)
# A lane with a later time looks again then, so that no timer lies in the clock for months.
LONGEST_DUE = timedelta(hours=1)
LONGEST_WAITED = timedelta(days=365)


@dataclass(slots=True)
class Lane:
    """The queue of one shop; where a browser executes, of one seller.

    Attributes:
        work: hints about the jobs that wait to be claimed.
        last_priority: the priority of the job that it got last, or 0 if it got none.
        worst: the worst urgency of which the last claim could give it a job.
        ready: claimed jobs that wait for a place.
        running: the number of jobs that have a place.
    """

    key: int
    shops: set[int] = field(default_factory=set)
    work: LaneWork = field(default_factory=LaneWork)
    last_priority: int = 0
    worst: int = LEAST_URGENT
    ready: deque[Job] = field(default_factory=deque)
    running: int = 0
    due_timer: tuple[datetime, Timer] | None = None


class Lanes:
    """All lanes, and the order in which they are asked for.

    A lane waits for its turn while it has work that is due, can be served and has room. A
    turn costs no more than the logarithm of how many others there are.

    Args:
        actor: the name of the marketplace actor, which is told when a lane falls due.
        aging: the time that a job waits until its urgency rises by one.
    """

    def __init__(
        self, actor: str, marketplace: Marketplace, clock: Clock, aging: timedelta
    ) -> None:
        self._actor = actor
        self._marketplace = marketplace
        self._clock = clock
        self._policy = marketplace.lanes
        self._lanes: dict[int, Lane] = {}
        self._aging = aging
        self._turns = Turns(aging)
        self._startable: dict[int, None] = {}
        self._present: set[int] = set()
        self._key_of_shop: dict[int, int] = {}
        self._closed_shops: set[int] = set()
        self._closed_above: set[Scope] = set()
        self.taken = 0
        """The number of places of the marketplace that running and ready jobs take."""

    def get(self, key: int) -> Lane | None:
        """Return the lane, or None if it is not known."""
        return self._lanes.get(key)

    def found(self, shops: Iterable[LaneShop]) -> None:
        """Note that there is, or may be, work for these shops."""
        for shop in shops:
            lane = self._lane(shop.shop_id, shop.user_id)
            lane.work.hint(shop.priority, self._moment(shop.due_in))
            self._refresh(lane)

    def fell_due(self, key: int) -> None:
        """Look again at a lane of which a job falls due."""
        lane = self._lanes.get(key)
        if lane is not None:
            lane.due_timer = None
            self._refresh(lane)

    def answered(self, waiting: Iterable[LaneHeads], jobs: Sequence[Job], limit: int) -> None:
        """Learn what still waits in the lanes of a claim that could take ``limit`` jobs at most."""
        served = {self._policy.key(job.shop.id, job.user_id) for job in jobs}
        for one in waiting:
            lane = self._lanes.get(one.lane)
            if lane is None:
                continue
            in_vain = len(jobs) < limit and one.lane not in served and self._was_meant(lane, one)
            lane.work.answered(
                {
                    head.priority: self._moment(head.due_in)
                    for head in one.heads
                    if not head.blocked
                },
                {head.priority: self._moment(head.due_in) for head in one.heads if head.blocked},
                self._clock.now() + REST if in_vain else None,
            )
            self._refresh(lane)

    def seller_connected(self, user_id: int) -> None:
        """Serve the lane of a seller whose browser is connected."""
        self._present.add(user_id)
        # Where a browser executes, the seller's id is the key of the lane.
        self._refresh(self._lanes.get(user_id))

    def seller_disconnected(self, user_id: int) -> None:
        """Stop serving the lane of a seller whose browser is gone."""
        self._present.discard(user_id)
        self._refresh(self._lanes.get(user_id))

    def shop_closed(self, shop_id: int, closed: bool) -> None:
        """Ask for no jobs of a shop while it is closed; other shops of the lane go on."""
        (self._closed_shops.add if closed else self._closed_shops.discard)(shop_id)
        lane = self._lanes.get(self._key_of_shop.get(shop_id, -1))
        if lane is None:
            return
        # While it was closed, nobody asked what the shop has.
        if not closed:
            lane.work.hint(None, self._clock.now())
        self._refresh(lane)

    def marketplace_closed(self, scope: Scope, closed: bool) -> None:
        """Ask for no jobs at all while any scope above the shops is closed."""
        (self._closed_above.add if closed else self._closed_above.discard)(scope)

    def next_requests(self) -> tuple[tuple[LaneRequest, ...], int]:
        """Return the lanes whose turn it is, each with its room, and the most jobs to claim.

        A lane that gets no job keeps its turn. Exactly as many jobs are claimed as there are
        places: nothing is prefetched, so that priorities decide at the last moment.
        """
        limit = min(self._marketplace.concurrency - self.taken, MAX_JOBS_PER_CLAIM)
        if limit <= 0 or self._closed_above:
            return (), limit
        requests = []
        most = min(limit + SPARE_LANES, MAX_LANES_PER_CLAIM)
        first = self._turns.first(most + 1, self._clock.now())
        crowded = self._turns.urgency(first[most]) if len(first) > most else None
        for key in first[:most]:
            lane = self._lanes[key]
            lane.work.asked()
            named_for = self._turns.urgency(key) or LEAST_URGENT
            # If not even all lanes of an urgency are named, each named lane gets one job of it, its
            # turn. A lane that is named for a better urgency gets no job of that one.
            room = 1 if named_for == crowded else min(self._room(lane), MAX_JOBS_PER_CLAIM)
            lane.worst = LEAST_URGENT if crowded is None else max(named_for, crowded - 1)
            shops = tuple(sorted(self._open_shops(lane)))
            requests.append(
                LaneRequest(key, shops, room, lane.last_priority, named_for, lane.worst)
            )
        return tuple(requests), limit

    def add_ready(self, job: Job) -> None:
        """Let a claimed job wait for a place in its lane."""
        lane = self._lane(job.shop.id, job.user_id)
        lane.ready.append(job)
        lane.last_priority = job.priority
        self.taken += 1
        # A lane that got a job has had its turn.
        self._turns.to_back(lane.key)
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
        """Return the (job, fence) of every claimed job that has not started."""
        return {(job.id, job.fence) for key in self._lanes for job in self._lanes[key].ready}

    def ended(self, lane: Lane, priority: int, back_in: timedelta | None) -> None:
        """Take a place back, because a running job of the lane ended.

        Args:
            priority: the priority of the job.
            back_in: the time until the job is due again; negative if it is, None if it is over.
        """
        lane.running -= 1
        self.taken -= 1
        # Other jobs of the same product may have waited for this one.
        lane.work.unblock()
        if back_in is not None:
            lane.work.hint(priority, self._moment(back_in))
        self._refresh(lane)

    def _was_meant(self, lane: Lane, waiting: LaneHeads) -> bool:
        """Return whether the claim could have given the lane one of the jobs that still wait.

        Jobs that are less urgent than the claim allowed do not wait in vain.
        """
        due = (head for head in waiting.heads if not head.blocked and head.due_in <= NOW)
        urgencies = [urgency(head.priority, -head.due_in, self._aging) for head in due]
        return min(urgencies, default=MOST_URGENT) <= lane.worst

    def _room(self, lane: Lane) -> int:
        return self._policy.jobs - lane.running - len(lane.ready)

    def _is_served(self, lane: Lane) -> bool:
        return self._policy.is_served(lane.key in self._present) and bool(self._open_shops(lane))

    def _open_shops(self, lane: Lane) -> set[int]:
        return lane.shops - self._closed_shops if self._closed_shops else lane.shops

    def _refresh(self, lane: Lane | None) -> None:
        if lane is None:
            return
        now = self._clock.now()
        wakes_at = lane.work.wakes_at()
        if wakes_at is None or not self._is_served(lane) or self._room(lane) <= 0:
            self._turns.remove(lane.key)
        elif wakes_at <= now:
            self._turns.put(lane.key, lane.work.heads, now)
        else:
            self._turns.remove(lane.key)
            self._wake_at(lane, wakes_at)
        if lane.ready and lane.running < self._policy.jobs:
            self._startable.setdefault(lane.key)
        else:
            self._startable.pop(lane.key, None)

    def _wake_at(self, lane: Lane, when: datetime) -> None:
        if lane.due_timer is not None:
            if lane.due_timer[0] <= when:
                # It looks again when it wakes.
                return
            lane.due_timer[1].cancel()
        lane.due_timer = (when, self._clock.call_at(when, self._actor, LaneDue(lane.key)))

    def _moment(self, due_in: timedelta) -> datetime:
        return self._clock.now() + min(max(due_in, -LONGEST_WAITED), LONGEST_DUE)

    def _lane(self, shop_id: int, user_id: int) -> Lane:
        key = self._policy.key(shop_id, user_id)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        lane.shops.add(shop_id)
        self._key_of_shop[shop_id] = key
        return lane
