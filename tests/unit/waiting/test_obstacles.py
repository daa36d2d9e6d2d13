"""Why a job waits, and waiting for it to be over: no database, no sleeping."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from runtime.errors import InputError, WaitTimeout
from runtime.jobs.completion import LONGEST_PAUSE, as_timeout, wait_until_over
from runtime.runs.job_states import JobStatus
from runtime.storage.models import MarketplaceJob
from runtime.waiting.lane_policy import SELLER_LANES, LanePolicy
from runtime.waiting.obstacles import WaitingFacts, waiting_reason

NOW = datetime(2026, 1, 9, 12, tzinfo=UTC)
DUE = WaitingFacts(
    status=JobStatus.PENDING,
    user_id=7,
    run_at=NOW,
    stored_reason=None,
    now=NOW,
    service_alive=True,
    seller_connected=True,
    lanes=SELLER_LANES,
)
SHOP_LANES = LanePolicy(jobs=8, calls=8)
TOMORROW = NOW + timedelta(days=1)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (DUE, "waiting for its turn"),
        (replace(DUE, run_at=NOW - timedelta(hours=1)), "waiting for its turn"),
        (replace(DUE, stored_reason="it answered 429, long ago"), "waiting for its turn"),
        (replace(DUE, seller_connected=False), "User 7 not connected via WebSocket"),
        (
            replace(DUE, seller_connected=False, stored_reason="attempt 1 failed"),
            "User 7 not connected via WebSocket",
        ),
        (replace(DUE, seller_connected=False, lanes=SHOP_LANES), "waiting for its turn"),
        (
            replace(DUE, service_alive=False, seller_connected=False),
            "no service is running: start `python run.py serve`",
        ),
        (
            replace(DUE, service_alive=False, run_at=TOMORROW, stored_reason="later"),
            "no service is running: start `python run.py serve`",
        ),
        (replace(DUE, run_at=TOMORROW), "scheduled for 2026-01-10T12:00:00+00:00"),
        (
            replace(DUE, run_at=TOMORROW, seller_connected=False),
            "scheduled for 2026-01-10T12:00:00+00:00",
        ),
        (
            replace(DUE, run_at=TOMORROW, stored_reason="attempt 1 failed"),
            "attempt 1 failed (scheduled for 2026-01-10T12:00:00+00:00)",
        ),
        (replace(DUE, status=JobStatus.PAUSED, stored_reason="look there"), "look there"),
        (replace(DUE, status=JobStatus.PAUSED), "paused; it goes on when it is resumed"),
    ],
)
def test_a_waiting_job_says_why(facts: WaitingFacts, reason: str) -> None:
    assert waiting_reason(facts) == reason


@pytest.mark.parametrize("status", sorted(set(JobStatus) - {JobStatus.PENDING, JobStatus.PAUSED}))
def test_a_job_that_runs_or_is_over_waits_for_nothing(status: JobStatus) -> None:
    facts = replace(DUE, status=status, service_alive=False, stored_reason="an old one")
    assert waiting_reason(facts) is None


class Patience:
    """A clock that moves by sleeping, and a job that is over after some looks."""

    def __init__(self, looks: int) -> None:
        self.time = 0.0
        self.pauses: list[float] = []
        self._left = looks

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds

    def read(self) -> MarketplaceJob:
        self._left -= 1
        status = JobStatus.FAILED if self._left == 0 else JobStatus.RUNNING
        return MarketplaceJob(id=5, status=status.value)


def test_pauses_between_looks_grow_to_a_limit() -> None:
    patience = Patience(looks=12)
    seen: list[str] = []
    job = wait_until_over(
        patience.read,
        None,
        lambda job: seen.append(job.status),
        now=patience.now,
        sleep=patience.sleep,
    )
    assert job.status == "failed"
    assert seen == ["running"] * 11 + ["failed"]
    assert patience.pauses[0] == pytest.approx(0.02)
    assert patience.pauses == sorted(patience.pauses)
    assert patience.pauses[-1] == LONGEST_PAUSE == 0.25


def test_a_wait_ends_at_its_timeout_and_looks_once_more_then() -> None:
    patience = Patience(looks=1_000)
    with pytest.raises(WaitTimeout, match="job 5 is still running after 3 s"):
        wait_until_over(patience.read, timedelta(seconds=3), now=patience.now, sleep=patience.sleep)
    assert patience.time == pytest.approx(3)


def test_no_time_is_one_look() -> None:
    patience = Patience(looks=2)
    with pytest.raises(WaitTimeout):
        wait_until_over(patience.read, timedelta(0), now=patience.now, sleep=patience.sleep)
    assert patience.pauses == []


@pytest.mark.parametrize("timeout", [-1, timedelta(seconds=-1), "3", True])
def test_a_timeout_that_is_none_is_refused(timeout: object) -> None:
    with pytest.raises(InputError, match="timeout"):
        as_timeout(timeout)  # type: ignore[arg-type]


def test_a_timeout_is_seconds_or_a_timedelta() -> None:
    assert as_timeout(1.5) == as_timeout(timedelta(seconds=1.5)) == timedelta(seconds=1.5)
    assert as_timeout(None) is None
