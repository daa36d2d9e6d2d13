"""The table of jobs in memory: what it is asked for, it answers as the database does."""

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runtime.messages import Head, LaneHeads, LaneRequest, LaneShop
from runtime.runs.job_states import JobStatus
from runtime.runs.journal import RecordedStep
from runtime.storage.queue.lane_order import LOOK
from runtime.waiting.urgency import LEAST_URGENT, MOST_URGENT, urgency

PRIORITIES = range(MOST_URGENT, LEAST_URGENT + 1)
LIVE = {JobStatus.PENDING, JobStatus.RUNNING, JobStatus.PAUSED}

Key = tuple[datetime, int]


@dataclass(slots=True, kw_only=True)
class SimulatedJob:
    """A job as its row has it. Only the table changes ``status`` and ``run_at``."""

    id: int
    marketplace: str
    action: str
    user_id: int
    shop_id: int
    priority: int
    run_at: datetime
    created_at: datetime
    product_key: str | None = None
    calls: int = 1
    ready_in: timedelta = timedelta(0)
    backlog: bool = False
    alone: bool = False
    status: JobStatus = JobStatus.PENDING
    fence: int = 0
    retry_count: int = 0
    snooze_count: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_requested: bool = False
    pause_requested: bool = False
    reason: str | None = None
    journal: dict[str, RecordedStep] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Its position among the pending ones of its shop and priority."""
        return self.run_at, self.id


@dataclass(frozen=True, slots=True)
class _Ranked:
    lane: int
    turn: int
    room: int
    after: int
    named: int
    worst: int
    urgency: int
    row: SimulatedJob

    @property
    def in_priority(self) -> tuple[int, int, int, Key]:
        return self.lane, self.urgency, self.row.priority, self.row.key


class JobTable:
    """Jobs, with the pending ones of each shop and priority in the order of their time."""

    def __init__(self) -> None:
        self.rows: dict[int, SimulatedJob] = {}
        self._pending: dict[int, dict[int, list[Key]]] = {}
        self._of_product: dict[tuple[int, str], dict[int, SimulatedJob]] = {}

    def add(self, row: SimulatedJob) -> None:
        """Insert it."""
        self.rows[row.id] = row
        if row.product_key is not None and row.status in LIVE:
            self._of_product.setdefault((row.shop_id, row.product_key), {})[row.id] = row
        if row.status is JobStatus.PENDING:
            insort(self._queue(row), row.key)

    def change(self, row: SimulatedJob, status: JobStatus, run_at: datetime | None = None) -> None:
        """Update its status and, where given, its time."""
        if row.status is JobStatus.PENDING:
            queue = self._queue(row)
            del queue[bisect_right(queue, row.key) - 1]
        row.status = status
        row.run_at = run_at or row.run_at
        if status is JobStatus.PENDING:
            insort(self._queue(row), row.key)
        if row.product_key is not None:
            same = self._of_product.setdefault((row.shop_id, row.product_key), {})
            if status in LIVE:
                same[row.id] = row
            else:
                same.pop(row.id, None)

    def pending(self, shop_id: int, priority: int) -> list[Key]:
        """The pending jobs of a shop and priority, the first due first."""
        return self._pending.get(shop_id, {}).get(priority, [])

    def blocker(self, row: SimulatedJob, now: datetime) -> SimulatedJob | None:
        """A job of the same product that has to end before it; None where it may be claimed."""
        if row.product_key is None:
            return None
        for other in self._of_product.get((row.shop_id, row.product_key), {}).values():
            if other is row:
                continue
            if other.status is JobStatus.RUNNING:
                return other
            holds = other.status is JobStatus.PAUSED or other.started_at is not None
            if other.id < row.id and (holds or other.run_at <= now):
                return other
        return None

    def claimable(self, shop_id: int, priority: int, now: datetime) -> Iterator[SimulatedJob]:
        """The due jobs that no other one of their product holds up, among the first."""
        queue = self.pending(shop_id, priority)
        for at, key in enumerate(queue):
            if at >= LOOK or key[0] > now:
                return
            row = self.rows[key[1]]
            if self.blocker(row, now) is None:
                yield row

    def pick(
        self, lanes: Iterable[LaneRequest], limit: int, now: datetime, aging: timedelta
    ) -> list[SimulatedJob]:
        """The jobs that a claim takes, in its order."""
        heads = list(self._heads(lanes, now, aging))
        placed = []
        for lane in {one.lane: None for one in heads}:
            ranked = sorted(_nth(one for one in heads if one.lane == lane))
            positions = ((position, one) for position, (*_, one) in enumerate(ranked))
            placed += [
                (n, one) for n, one in positions if n < one.room and one.urgency <= one.worst
            ]
        placed.sort(
            key=lambda one: (
                one[1].urgency, one[0], one[1].named < one[1].urgency, one[1].turn, one[1].row.key
            )
        )  # fmt: skip
        return [one.row for _, one in placed[:limit]]

    def waiting(self, lanes: Iterable[LaneRequest], now: datetime) -> tuple[LaneHeads, ...]:
        """The jobs that wait in each lane when they are taken."""
        return tuple(
            LaneHeads(lane.lane, tuple(self._lane_heads(lane.shop_ids, now))) for lane in lanes
        )

    def find_lanes(self, shops: dict[int, int], now: datetime) -> tuple[LaneShop, ...]:
        """The first pending job of each shop (with its user) and priority."""
        return tuple(
            LaneShop(shop, user, priority, queue[0][0] - now)
            for shop, user in shops.items()
            for priority, queue in sorted(self._pending.get(shop, {}).items())
            if queue
        )

    def _queue(self, row: SimulatedJob) -> list[Key]:
        return self._pending.setdefault(row.shop_id, {}).setdefault(row.priority, [])

    def _heads(
        self, lanes: Iterable[LaneRequest], now: datetime, aging: timedelta
    ) -> Iterator[_Ranked]:
        for turn, lane in enumerate(lanes):
            for shop in lane.shop_ids:
                for priority in PRIORITIES:
                    for count, row in enumerate(self.claimable(shop, priority, now)):
                        if count >= lane.room:
                            break
                        at = urgency(priority, now - row.run_at, aging)
                        yield _Ranked(
                            lane.lane,
                            turn,
                            lane.room,
                            lane.after,
                            lane.urgency,
                            lane.worst,
                            at,
                            row,
                        )

    def _lane_heads(self, shops: Iterable[int], now: datetime) -> Iterator[Head]:
        for priority in PRIORITIES:
            free, blocked = [], []
            for shop in shops:
                queue = self.pending(shop, priority)
                if not queue:
                    continue
                first = queue[0]
                if first[0] > now or self.blocker(self.rows[first[1]], now) is None:
                    free.append(first[0])
                    continue
                blocked.append(first[0])
                free += [row.run_at for row in self.claimable(shop, priority, now)][:1]
                later = bisect_right(queue, now, key=lambda one: one[0])
                free += [at for at, _ in queue[later : later + 1]]
            if free:
                yield Head(priority, min(free) - now)
            if blocked:
                yield Head(priority, min(blocked) - now, blocked=True)


def _nth(of_lane: Iterable[_Ranked]) -> Iterator[tuple[int, int, int, Key, _Ranked]]:
    """Rank the heads of one lane: by urgency, then the priorities in turns."""
    counts: dict[tuple[int, int], int] = {}
    for one in sorted(of_lane, key=lambda one: one.in_priority):
        group = one.urgency, one.row.priority
        counts[group] = counts.get(group, 0) + 1
        turn = (one.row.priority - one.after + 3) % 4
        yield one.urgency, counts[group], turn, one.row.key, one
