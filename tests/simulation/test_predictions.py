"""When a start that was said too early is not counted as wrong: others had every place."""

from datetime import UTC, datetime, timedelta

import pytest

from runtime.runs.job_states import JobEvent, JobStatus
from runtime.runs.settlement import Settlement
from runtime.waiting.expectation import Expectation
from runtime.waiting.lane_policy import LanePolicy
from runtime.waiting.obstacles import WaitingFacts
from tests.simulation import records
from tests.simulation.job_table import SimulatedJob
from tests.simulation.predictions import Fortune, Prediction
from tests.simulation.world import Start, World

NOW = datetime(2026, 1, 9, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SAID, STARTED = NOW + 30 * SECOND, NOW + 35 * SECOND
PLACES = records.MARKETPLACES["etsy"].concurrency


@pytest.fixture
def world() -> World:
    """Where a job was to start at one time, and starts five seconds later."""
    return World(1, {"etsy": [], "ebay": []})


def row(job_id: int) -> SimulatedJob:
    return SimulatedJob(
        id=job_id, marketplace="etsy", action="sync", user_id=job_id, shop_id=job_id, priority=3,
        run_at=NOW, created_at=NOW,
    )  # fmt: skip


def runs(world: World, job_id: int, start: datetime, end: datetime | None = None) -> None:
    log = world.log
    log.starts.setdefault("etsy", []).append(Start(row(job_id), job_id, start, start, 3))
    log.starts_of.setdefault(job_id, []).append(start)
    if end is not None:
        ended = Settlement(job_id, 1, JobEvent.COMPLETE)
        log.ends.setdefault(job_id, []).append((end, ended))


def is_wrong(world: World, taken: int = 0) -> bool:
    facts = WaitingFacts(
        status=JobStatus.PENDING, user_id=1, run_at=NOW, stored_reason=None, now=NOW,
        service_alive=True, seller_connected=True, lanes=LanePolicy(jobs=4, calls=4),
        marketplace_taken=taken,
    )  # fmt: skip
    fortune = Fortune(world, 1)
    fortune.said.append(Prediction(row(1), NOW, Expectation(SAID), facts))
    runs(world, 1, STARTED)
    outcome = fortune.outcome()
    assert len(outcome.errors) + outcome.in_turn == 1
    return bool(outcome.wrong)


def test_whoever_had_the_places_when_the_time_came_had_them_first(world: World) -> None:
    for job_id in range(2, 2 + PLACES):
        runs(world, job_id, NOW + SECOND, STARTED - SECOND / 100)
    assert not is_wrong(world)


def test_a_place_that_was_handed_on_was_not_free(world: World) -> None:
    for job_id in range(2, 2 + PLACES):
        runs(world, job_id, NOW + SECOND, SAID + SECOND)
    for job_id in range(102, 102 + PLACES):
        runs(world, job_id, SAID + SECOND * 1.01)
    assert not is_wrong(world)


def test_a_place_that_stayed_free_was_its_own(world: World) -> None:
    for job_id in range(2, 1 + PLACES):
        runs(world, job_id, NOW + SECOND)
    assert is_wrong(world)


def test_a_place_that_came_free_was_its_own(world: World) -> None:
    for job_id in range(2, 2 + PLACES):
        runs(world, job_id, NOW + SECOND, SAID + SECOND)
    for job_id in range(102, 102 + PLACES):
        runs(world, job_id, SAID + 2 * SECOND)
    assert is_wrong(world)


def test_of_places_that_were_taken_when_it_was_asked_it_had_to_be_said(world: World) -> None:
    for job_id in range(2, 2 + PLACES):
        runs(world, job_id, NOW - SECOND)
    assert is_wrong(world, taken=PLACES)
