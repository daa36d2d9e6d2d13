"""How long jobs waited, counted in what went before them; pure, over what the day's log has."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from runtime.rate_limits.closures import Level
from runtime.waiting.urgency import urgency
from tests.simulation.world import NOTICED, Start, World


@dataclass(frozen=True, slots=True)
class Wait:
    """The wait of one job for its first start.

    Attributes:
        from_then: when it was known and due; for :func:`aged`, also as urgent as can be.
        before: how many jobs each other lane started in a claim that was asked for since then.
        worse: how many of them were on a worse urgency.
        own: how many jobs of its own lane went before it.
    """

    start: Start
    from_then: datetime
    before: Counter[int]
    worse: int
    own: int

    @property
    def lasted(self) -> timedelta:
        """How long it waited since then."""
        return self.start.at - self.from_then


def single(world: World, marketplace: str) -> Iterator[Wait]:
    """The waits of jobs whose lane had nothing else to do, and that nothing else held up."""
    for start, starts in _first_starts(world, marketplace):
        row = start.row
        if row.alone and row.run_at == row.created_at:
            wait = _wait(world, start, starts, row.run_at + NOTICED)
            if not wait.own:
                yield wait


def aged(world: World, marketplace: str) -> Iterator[Wait]:
    """The waits of such jobs since they were on the best urgency."""
    for start, starts in _first_starts(world, marketplace):
        best = start.row.run_at + NOTICED + (start.row.priority - 1) * world.aging
        if start.row.alone and start.at > best:
            wait = _wait(world, start, starts, best)
            if not wait.own:
                yield wait


def _first_starts(world: World, marketplace: str) -> Iterator[tuple[Start, list[Start]]]:
    starts, log = world.log.starts.get(marketplace, []), world.log
    closed = {scope.shop_id for _, scope in log.closed if scope.level is Level.SHOP}
    seen: set[int] = set()
    for start in starts:
        row = start.row
        first = row.id not in seen
        seen.add(row.id)
        if not first or row.shop_id in closed or row.id in log.touched:
            continue
        if row.product_key is None and row.id not in log.unannounced and not row.backlog:
            yield start, starts


def _wait(world: World, start: Start, starts: list[Start], since: datetime) -> Wait:
    before: Counter[int] = Counter()
    worse = own = 0
    for other in starts[bisect_left(starts, since, key=lambda one: one.at) :]:
        if other.at >= start.at:
            break
        own += other.lane == start.lane
        if other.asked_at >= since and other.lane != start.lane:
            mine = urgency(start.row.priority, other.asked_at - start.row.run_at, world.aging)
            worse += other.urgency > mine
            if other.urgency >= mine:
                before[other.lane] += 1
    return Wait(start, since, before, worse, own)
