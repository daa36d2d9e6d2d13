"""Compares explanations of random moments of the day with the events that follow."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runtime.messages import LaneRequest, marketplace_actor
from runtime.rate_limits import Blocked
from runtime.rate_limits.closures import Closures, path
from runtime.runs.job_states import JobStatus
from runtime.waiting.expectation import Expectation, expected_start
from runtime.waiting.obstacles import OtherJob, UsedUp, WaitingFacts
from tests.simulation import records
from tests.simulation.job_table import SimulatedJob
from tests.simulation.world import World

MOST = 20
HANDED_ON = timedelta(milliseconds=50)
"""Within this time a place that is given back goes to the next job."""


def facts_of(world: World, row: SimulatedJob) -> WaitingFacts:
    """Return the facts about a job, from the state of the world."""
    now = world.clock.now()
    marketplace = records.MARKETPLACES[row.marketplace]
    nodes = path(row.marketplace, row.shop_id, row.action)
    closures = Closures(world.recorder.closures_of(row.marketplace, now))
    blocker = world.table.blocker(row, now)
    lane = [one for one in _running(world, row.marketplace) if one.shop_id == row.shop_id]
    before = jobs_before(world, row, now)
    return WaitingFacts(
        status=row.status,
        user_id=row.user_id,
        run_at=row.run_at,
        stored_reason=row.reason,
        now=now,
        service_alive=True,
        seller_connected=row.user_id in world.browsers.connected,
        lanes=marketplace.lanes,
        retry_count=row.retry_count,
        seller_away_since=world.browsers.away_since.get(row.user_id),
        closures=tuple(closures.of(nodes, now)),
        used_up=_used_up(world, row, now),
        same_product=_other(blocker) if blocker is not None else None,
        lane=tuple(_other(one) for one in lane),
        jobs_before=min(before, MOST),
        jobs_before_capped=before > MOST,
        marketplace_taken=len(_running(world, row.marketplace)),
        marketplace_places=marketplace.concurrency,
    )


def jobs_before(world: World, row: SimulatedJob, now: datetime) -> int:
    """How many due jobs of its shop may be claimed before it, up to ``MOST + 1``."""
    due = max(now, row.run_at)
    lane = LaneRequest(0, (row.shop_id,), MOST + 1, after=row.priority)
    order = [one.id for one in world.table.pick([lane], MOST + 1, due, world.aging)]
    return order.index(row.id) if row.id in order else len(order)


def _running(world: World, marketplace: str) -> list[SimulatedJob]:
    return [one for one in world.running.values() if one.marketplace == marketplace]


def _used_up(world: World, row: SimulatedJob, now: datetime) -> UsedUp | None:
    budgets = world.actors[marketplace_actor(row.marketplace)]._pace.budgets
    nodes = path(row.marketplace, row.shop_id, row.action)
    blocked: Blocked | None = budgets.blocked(nodes, now)
    if blocked is None or blocked.is_pace or blocked.until is None:
        return None
    return UsedUp(blocked.scope, blocked.reason, blocked.until)


def _other(row: SimulatedJob) -> OtherJob:
    return OtherJob(row.id, row.action, row.status)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A prediction about a job."""

    row: SimulatedJob
    at: datetime
    said: Expectation
    facts: WaitingFacts


@dataclass(slots=True)
class Outcome:
    """How predictions came out.

    Attributes:
        overtaken: something happened that nobody could know when it was said.
        in_turn: from the time that was said on, other lanes had all places first.
        errors: of the others, with the time that was to be waited.
    """

    unknown: int = 0
    overtaken: int = 0
    in_turn: int = 0
    errors: list[tuple[timedelta, timedelta, Prediction]] = field(default_factory=list)

    @property
    def wrong(self) -> list[tuple[timedelta, timedelta, Prediction]]:
        """Those that were wrong by more than a second and a tenth."""
        return [one for one in self.errors if one[0] > max(timedelta(seconds=1), one[1] / 10)]


class Fortune:
    """Asks at random moments, and remembers what was said."""

    def __init__(self, world: World, seed: int) -> None:
        self.said: list[Prediction] = []
        self._world = world
        self._draw = random.Random(seed + 5)

    def ask(self, rows: list[SimulatedJob]) -> None:
        """Explain some pending jobs, and go on asking."""
        waiting = [row for row in rows if row.status is JobStatus.PENDING]
        for row in self._draw.sample(waiting, min(12, len(waiting))):
            facts = facts_of(self._world, row)
            said = expected_start(facts)
            self.said.append(Prediction(row, self._world.clock.now(), said, facts))

    def outcome(self) -> Outcome:
        """Compare what was said with what happened."""
        result = Outcome()
        for one in self.said:
            if one.said.start is None:
                result.unknown += 1
                continue
            starts = self._world.log.starts_of.get(one.row.id, [])
            started = next((when for when in starts if when >= one.at), None)
            end = max(started or self._world.clock.now(), one.said.start)
            if started is None or any(self._overtakes(one, end)):
                result.overtaken += 1
                continue
            if self._had_turns(one, started):
                result.in_turn += 1
                continue
            result.errors.append((abs(started - one.said.start), started - one.at, one))
        return result

    def _had_turns(self, one: Prediction, started: datetime) -> bool:
        """Whether others had every place from the time that was said until it started.

        Those that began before that time and keep their places are as much in its way as those
        that began after it. Of a due job that found all places taken it had to be said.
        """
        said, name, facts = one.said.start, one.row.marketplace, one.facts
        assert said is not None
        places = records.MARKETPLACES[name].concurrency
        knew = facts.run_at <= facts.now and facts.marketplace_taken >= places
        if knew or started - said <= HANDED_ON:
            return False
        taken, full_until = 0, said
        for when, change in sorted(self._changes(name, started)):
            if taken >= places:
                full_until = max(said, when)
            elif when - full_until > HANDED_ON:
                return False
            taken += change
        return taken >= places or started - full_until <= HANDED_ON

    def _changes(self, marketplace: str, before: datetime) -> Iterator[tuple[datetime, int]]:
        """When a place of a marketplace was taken (1) and given back (-1)."""
        for start in self._world.log.starts[marketplace]:
            if start.at >= before:
                return
            yield start.at, 1
            ends = (when for when, _ in self._world.log.ends.get(start.row.id, ()))
            end = next((when for when in ends if when > start.at), before)
            if end < before:
                yield end, -1

    def _overtakes(self, one: Prediction, end: datetime) -> Iterator[bool]:
        """Events that nobody could know: closures, interventions, arrivals, sellers, lost words."""
        row, log = one.row, self._world.log
        unheard = log.unannounced.get(row.id)
        assert one.said.start is not None
        yield unheard is not None and one.said.start < self._world.polled_after(unheard)
        scopes = set(path(row.marketplace, row.shop_id, row.action))
        yield any(one.at < when <= end and scope in scopes for when, scope in log.closed)
        yield any(one.at < when <= end for when in log.touched.get(row.id, ()))
        yield any(one.at < when <= end for when in log.came.get(row.user_id, ())) and (
            row.marketplace == "vinted"
        )
        yield any(one.at < when <= end for when in log.arrived.get(row.shop_id, ()))
