# ruff: noqa: T201 - the figures of the day are for whoever asks for them (pytest -s)
"""A day of three marketplaces with 500 sellers, on a virtual clock.

Rerun with the ``SIMULATION_SEED`` that is printed, it is the same day.
"""

import gc
import logging
import os
import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
import structlog

from runtime.marketplaces import pacing
from runtime.rate_limits.closures import Level
from runtime.runs.job_states import FINAL, JobStatus
from runtime.waiting.obstacles import obstacles
from tests.simulation import fairness, records
from tests.simulation.day import BIG, FIRST_SHOP, Day
from tests.simulation.job_table import SimulatedJob
from tests.simulation.predictions import facts_of

pytestmark = pytest.mark.timeout(300)

LEAST_UTILISATION = 0.99
COUNTED = 2_000
"""How many of the 120,000 jobs of the backlogs are looked at for what they wait for."""


@pytest.fixture(scope="module")
def day() -> Iterator[Day]:
    """The day, when it is over; its queues are watched by ``day.watch``."""
    seed = int(os.environ["SIMULATION_SEED"])
    state = random.getstate()
    # The collector would walk over the day's 120,000 jobs again and again.
    gc.disable()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        random.seed(seed)
        day = Day(seed)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(pacing, "CallQueue", day.watch.queue)
            day.prepare()
            day.run()
            yield day
    finally:
        gc.enable()
        random.setstate(state)
        structlog.reset_defaults()


def test_no_limit_is_violated_whoever_counts(day: Day) -> None:
    for name, server in day.world.servers.items():
        told = [f"{one.violations} over {one.limit}" for one in server.counters]
        print(f"{name}: {server.calls} calls, violations: {', '.join(told)}; "
              f"{server.refused} answered 429 in its bad times")  # fmt: skip
        assert [one.violations for one in server.counters] == [0] * len(server.counters)
        assert server.too_close == 0, "calls of one action of one shop closer than rate_limit_ms"
        assert server.too_early == 0, "calls before the time that a 429 named"
        assert server.refused > 0
    counters = day.world.browsers.counters.values()
    print(f"vinted: {day.world.browsers.calls} calls of {len(counters)} shops, "
          f"violations: {sum(one.violations for one in counters)}")  # fmt: skip
    assert all(one.violations == 0 for one in counters)


def test_while_calls_wait_for_their_pace_it_is_used(day: Day) -> None:
    for name, level in (
        ("vinted", Level.SHOP), ("etsy", Level.APP_KEY), ("ebay", Level.APP_KEY)
    ):  # fmt: skip
        use = day.watch.of_level(name, level)
        part = use.used / use.waited
        print(f"{name}, pace of {level}: {part:.2%} of {use.waited} ({use.releases} releases)")
        assert part >= LEAST_UTILISATION
        assert use.releases > 100


def test_while_jobs_wait_for_the_day_s_quota_it_is_used(day: Day) -> None:
    """Both have more to do all day, so all that leaves the window comes back to be used.

    What the bad times keep from being used is used after them: they are shorter than the window.
    """
    for name, quota in (("etsy", records.ETSY_QUOTA), ("ebay", records.EBAY_QUOTA)):
        part = day.world.servers[name].calls / quota.count
        print(f"{name}, quota of {quota}: {part:.2%}")
        assert part >= LEAST_UTILISATION


def test_a_single_job_gets_the_next_free_place_of_its_urgency(day: Day) -> None:
    """Every other lane has its turn at most once on each urgency that the job passes through."""
    for name in ("etsy", "ebay"):
        waits = list(fairness.single(day.world, name))
        most = max(max(one.before.values(), default=0) for one in waits)
        print(f"{name}: {len(waits)} single jobs, each before at most {most} of any one lane")
        assert len(waits) > 100
        for one in waits:
            assert one.worse == 0, "no worse urgency is served before it"
            urgencies = 1 + one.start.row.priority - one.start.urgency
            assert max(one.before.values(), default=0) <= urgencies
    lane = FIRST_SHOP["etsy"] + BIG
    beside = Counter(one.before[lane] for one in fairness.single(day.world, "etsy"))
    print(f"jobs of the 100,000 before a single one (how many: how often): {dict(beside)}")


def test_no_job_is_older_than_its_aging_bound(day: Day) -> None:
    """Aged to urgency 1, which takes ``(priority - 1) * aging``, each other lane goes once."""
    for name in ("etsy", "ebay"):
        waits = list(fairness.aged(day.world, name))
        most = max(max(one.before.values(), default=0) for one in waits)
        longest = max(one.lasted for one in waits)
        print(f"{name}: {len(waits)} jobs aged to the best urgency, then at most {most} "
              f"of any one lane before them, {longest} at the longest")  # fmt: skip
        assert waits
        assert most <= 1


def test_nothing_is_lost_and_nothing_is_run_twice(day: Day) -> None:
    world = day.world
    assert world.log.double_runs == 0
    writes = [server.writes for server in world.servers.values()] + [world.browsers.writes]
    assert all(times == 1 for known in writes for times in known.values())
    finals = Counter(
        (job, end.fence)
        for job, ends in world.log.ends.items()
        for _, end in ends
    )  # fmt: skip
    assert set(finals.values()) == {1}, "each run ends once"
    draw = random.Random(1)
    for row in day.few + draw.sample(day.many, COUNTED):
        assert _is_explained(day, row), row
    over = Counter(row.status.value for row in world.table.rows.values())
    print(f"jobs: {dict(over)}")


def test_what_was_expected_happened(day: Day) -> None:
    outcome = day.fortune.outcome()
    worst = max((error for error, _, _ in outcome.errors), default=timedelta(0))
    print(f"{len(day.fortune.said)} explained: {outcome.unknown} unknown, {outcome.overtaken} "
          f"overtaken, {outcome.in_turn} in turn, {len(outcome.errors)} compared, "
          f"worst error {worst}")  # fmt: skip
    assert len(outcome.errors) > 20
    assert not outcome.wrong, outcome.wrong[:3]


def _is_explained(day: Day, row: SimulatedJob) -> bool:
    if row.status in FINAL or row.status is JobStatus.RUNNING:
        return True
    return bool(obstacles(facts_of(day.world, row)))
