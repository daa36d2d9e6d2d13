"""Why a job does not run, when it is expected to, and where the time of one went that ran."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.rate_limits.closures import Closure, ClosureKind, Level, Scope
from runtime.runs.job_states import JobStatus
from runtime.waiting.expectation import History, StepTimes, expected_start, time_spent
from runtime.waiting.lane_policy import SELLER_LANES, LanePolicy
from runtime.waiting.obstacles import ObstacleKind, OtherJob, UsedUp, WaitingFacts, obstacles

NOW = datetime(2026, 1, 9, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DUE = WaitingFacts(
    status=JobStatus.PENDING, user_id=7, run_at=NOW, stored_reason=None, now=NOW,
    service_alive=True, seller_connected=True, lanes=SELLER_LANES,
)  # fmt: skip
APP_KEY = Scope("etsy", Level.APP_KEY)
SHOP = Scope("etsy", Level.SHOP, 3)
QUOTA = Closure(APP_KEY, ClosureKind.RATE_LIMIT, "answered 429", NOW - SECOND, NOW + HOUR)
PAUSE = Closure(SHOP, ClosureKind.PAUSED, "holidays", NOW - HOUR)
CAPTCHA = Closure(SHOP, ClosureKind.NEEDS_USER, "captcha", NOW - HOUR)
OTHER = OtherJob(812, "publish", JobStatus.RUNNING)


def texts(facts: WaitingFacts) -> list[str]:
    return [one.text for one in obstacles(facts)]


def test_nothing_in_the_way_means_now() -> None:
    assert obstacles(DUE) == ()
    assert expected_start(DUE).start == NOW


def test_a_job_that_nothing_holds_up_and_that_does_not_start_waits_for_its_turn() -> None:
    """Until when is not known: others are served, or its announcement got lost."""
    facts = replace(DUE, now=NOW + 8 * SECOND)
    assert [one.kind for one in obstacles(facts)] == [ObstacleKind.TURN]
    assert str(expected_start(facts)) == "unknown, because waiting for its turn"
    closed = replace(facts, closures=(QUOTA,))
    assert str(expected_start(closed)) == "2026-01-09T13:00:00+00:00"


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (
            replace(DUE, closures=(QUOTA,)),
            "budget etsy app key: answered 429 (until 2026-01-09T13:00:00+00:00)",
        ),
        (
            replace(DUE, closures=(PAUSE,)),
            "shop 3: holidays (since 2026-01-09T11:00:00+00:00)",
        ),
        (
            replace(DUE, closures=(CAPTCHA,)),
            "shop 3: captcha (since 2026-01-09T11:00:00+00:00)",
        ),
        (
            replace(DUE, seller_connected=False, seller_away_since=NOW - HOUR),
            "User 7 not connected via WebSocket (away since 2026-01-09T11:00:00+00:00)",
        ),
        (replace(DUE, lane=(OTHER,)), "lane busy with job 812 (publish, running)"),
        (replace(DUE, jobs_before=41), "priority: 41 jobs of its lane before it"),
        (
            replace(DUE, jobs_before=1000, jobs_before_capped=True),
            "priority: more than 1000 jobs of its lane before it",
        ),
        (replace(DUE, run_at=NOW + HOUR, retry_count=1), "retry at 2026-01-09T13:00:00+00:00"),
        (
            replace(DUE, same_product=replace(OTHER, status=JobStatus.PAUSED)),
            "job 812 (publish, paused) of the same product comes first",
        ),
        (replace(DUE, has_handler=False), "no running service has a handler for it"),
        (replace(DUE, down="maintenance"), "its marketplace is marked down: maintenance"),
        (
            replace(DUE, used_up=UsedUp(APP_KEY, "its limit of 10 is used up", NOW + HOUR)),
            "budget etsy app key: its limit of 10 is used up (until 2026-01-09T13:00:00+00:00)",
        ),
    ],
)
def test_each_thing_in_the_way_is_named(facts: WaitingFacts, text: str) -> None:
    (found,) = texts(facts)
    assert found.startswith(text)


def test_a_lane_with_a_free_place_is_not_busy() -> None:
    assert obstacles(replace(DUE, lane=(OTHER,), lanes=LanePolicy(jobs=8, calls=8))) == ()


def test_places_that_are_all_taken_keep_a_job_waiting_that_is_due() -> None:
    full = replace(DUE, closures=(QUOTA,), marketplace_taken=24, marketplace_places=24)
    expected = str(expected_start(full))
    assert expected == "unknown, because all 24 places of its marketplace are taken"
    assert expected_start(replace(full, marketplace_taken=23)).start == QUOTA.until
    assert expected_start(replace(full, run_at=NOW + HOUR)).start == NOW + HOUR


def test_everything_in_the_way_is_named() -> None:
    facts = replace(
        DUE, closures=(QUOTA, PAUSE), seller_connected=False, lane=(OTHER,),
        jobs_before=2, same_product=OTHER,
    )  # fmt: skip
    assert [one.kind for one in obstacles(facts)] == [
        ObstacleKind.CLOSED, ObstacleKind.CLOSED, ObstacleKind.SELLER_AWAY,
        ObstacleKind.PRODUCT_BUSY, ObstacleKind.LANE_BUSY, ObstacleKind.PRIORITY,
    ]  # fmt: skip


def test_the_last_of_what_ends_by_itself_is_the_expected_start() -> None:
    later = replace(QUOTA, scope=SHOP, until=NOW + 2 * HOUR)
    facts = replace(DUE, closures=(QUOTA, later), run_at=NOW + HOUR / 2)
    assert expected_start(facts).start == NOW + 2 * HOUR


@pytest.mark.parametrize(
    "changes",
    [
        {"closures": (QUOTA, PAUSE)},
        {"seller_connected": False},
        {"jobs_before": 1},
        {"same_product": OTHER},
        {"lane": (OTHER,)},
        {"service_alive": False},
        {"status": JobStatus.PAUSED, "stored_reason": "did it happen?"},
    ],
)
def test_what_nobody_knows_the_end_of_leaves_the_start_open(changes: dict[str, Any]) -> None:
    facts = replace(DUE, **changes)
    expected = expected_start(facts)
    assert expected.start is None
    assert expected.because in texts(facts)
    assert str(expected).startswith("unknown, because ")


def test_a_job_that_runs_or_is_over_starts_no_more() -> None:
    assert str(expected_start(replace(DUE, status=JobStatus.RUNNING))) == (
        "unknown, because it is running"
    )


def test_the_time_of_a_job_that_never_started_was_spent_waiting() -> None:
    history = History(now=NOW + HOUR, due_at=NOW, started_at=None, completed_at=None)
    (waited,) = time_spent(history)
    assert (waited.duration, waited.ended) == (HOUR, False)


def test_overlapping_steps_are_not_counted_twice() -> None:
    steps = (
        StepTimes("a", "succeeded", NOW + SECOND, NOW + 5 * SECOND),
        StepTimes("b", "succeeded", NOW + 2 * SECOND, NOW + 4 * SECOND),
        StepTimes("c", "unknown", NOW + 7 * SECOND, None),
    )
    history = History(
        now=NOW + HOUR, due_at=NOW - SECOND, started_at=NOW, completed_at=NOW + 10 * SECOND,
        steps=steps,
    )  # fmt: skip
    assert [(one.what, one.duration.seconds) for one in time_spent(history)] == [
        ("waited to start", 1),
        ("step a (succeeded)", 4),
        ("step b (succeeded)", 2),
        ("step c (unknown)", 3),
        ("between its steps", 3),
    ]


seconds = st.integers(0, 100).map(lambda number: NOW + number * SECOND)


@given(st.lists(st.tuples(seconds, seconds).map(sorted), max_size=5), seconds)
def test_what_is_between_the_steps_is_never_negative_and_never_too_long(
    spans: list[list[datetime]], end: datetime
) -> None:
    steps = [StepTimes(str(n), "failed", a, min(b, end)) for n, (a, b) in enumerate(spans)]
    history = History(now=end, due_at=NOW, started_at=NOW, completed_at=end, steps=steps)
    between = time_spent(history)[-1].duration
    assert timedelta(0) <= between <= end - NOW
