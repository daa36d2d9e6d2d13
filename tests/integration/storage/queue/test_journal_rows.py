"""The step journal in the database: only for the run that owns its job, one bad value alone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, text, update

from runtime import Job
from runtime.errors import DatabaseRefused, InputError, InvalidJson
from runtime.messages import CallTicket, LaneRequest, RecordIntent, RecordOutcome
from runtime.runs.calls import RecordStep
from runtime.runs.job_states import JobEvent
from runtime.runs.journal import RecordedStep, StepStatus, error_record, recorded_error
from runtime.runs.settlement import Settlement
from runtime.storage.models import MarketplaceTask
from runtime.storage.nodes.membership import register_node
from runtime.storage.queue import journal_rows
from runtime.storage.queue.claims import claim_jobs
from runtime.storage.queue.journal_rows import StepKey
from runtime.storage.queue.settlements import settle_jobs
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, set_job

SECOND = timedelta(seconds=1)
ClaimDue = Callable[..., tuple[Job, ...]]


@pytest.fixture
def claim(database: Database) -> ClaimDue:
    """Claim what is due of the one shop; the jobs, by id."""
    shop = add_shop(database)
    with database.session.begin() as session:
        node = register_node(session)

    def claim(new: int = 0) -> tuple[Job, ...]:
        for _ in range(new):
            add_job(database, shop)
        with database.session.begin() as session:
            lane = LaneRequest(shop, (shop,), 50)
            return claim_jobs(session, "vinted", [lane], 50, node).jobs

    return claim


@pytest.fixture
def job(claim: ClaimDue) -> Job:
    (claimed,) = claim(1)
    return claimed


def ticket(job: Job, fence: int | None = None) -> CallTicket:
    return CallTicket("asker", job.id, job.fence if fence is None else fence, 1)


def intent(
    job: Job, name: str = "create", fence: int | None = None, **changes: Any
) -> RecordIntent:
    values = {
        "task_type": "http", "request_id": "r-1", "request": {"path": "/x"},
        "leaves_within": 10 * SECOND, "settles_within": 30 * SECOND,
    }  # fmt: skip
    return RecordIntent(ticket(job, fence), name, **{**values, **changes})


def outcome(
    job: Job,
    name: str = "create",
    result: str = "1",
    fence: int | None = None,
    error: dict[str, Any] | None = None,
    within: str | None = None,
    took: timedelta = timedelta(0),
) -> RecordOutcome:
    status = StepStatus.SUCCEEDED if error is None else StepStatus.FAILED
    step = RecordStep(name, status, result if error is None else None, error)
    return RecordOutcome(ticket(job, fence), step, "http", within, took)


def intend(database: Database, *intents: RecordIntent) -> set[StepKey]:
    with database.session.begin() as session:
        return set(journal_rows.record_intents(session, intents).written)


def record(database: Database, *outcomes: RecordOutcome) -> dict[StepKey, Any]:
    with database.session.begin() as session:
        return dict(journal_rows.record_outcomes(session, outcomes).written)


def settle(database: Database, job: Job, event: JobEvent, **more: Any) -> None:
    with database.session.begin() as session:
        settle_jobs(session, [Settlement(job.id, job.fence, event, **more)])


def rows(database: Database, job: Job) -> dict[str, MarketplaceTask]:
    with database.session() as session:
        return {row.name: row for row in journal_rows.steps_of(session, job.id)}


def loaded(database: Database, job: Job) -> dict[str, RecordedStep]:
    with database.session() as session:
        return {
            one.name: one for one in journal_rows.load_journals(session, [job.id]).get(job.id, ())
        }


# --- intents --------------------------------------------------------------------------------


def test_an_intent_says_what_leaves_until_when_and_when_it_has_settled(
    database: Database, job: Job
) -> None:
    assert intend(database, intent(job, within="outer")) == {(job.id, job.fence, "create")}
    row = rows(database, job)["create"]
    assert (row.status, row.fence, row.task_type) == ("started", job.fence, "http")
    assert (row.request_id, row.request, row.within) == ("r-1", {"path": "/x"}, "outer")
    assert row.sent_at is not None
    assert row.not_after is not None
    assert row.settles_at is not None
    assert row.not_after - row.sent_at < 11 * SECOND
    assert timedelta(seconds=29) < row.settles_at - row.not_after < 31 * SECOND
    assert row.completed_at is None


@pytest.mark.parametrize("off", [-1, 1])
def test_a_run_with_another_fence_writes_nothing(database: Database, job: Job, off: int) -> None:
    wrong = job.fence + off
    assert intend(database, intent(job, fence=wrong)) == set()
    assert record(database, outcome(job, fence=wrong)) == {}
    with database.session.begin() as session:
        assert not journal_rows.record_transaction(session, job.id, wrong, "store", 1)
    assert rows(database, job) == {}


@pytest.mark.parametrize("status", ["pending", "paused", "completed", "cancelled"])
def test_a_job_that_does_not_run_takes_no_entries(
    database: Database, job: Job, status: str
) -> None:
    set_job(database, job.id, {"status": status})
    assert intend(database, intent(job)) == set()
    assert record(database, outcome(job)) == {}
    assert rows(database, job) == {}


def test_a_zombie_changes_nothing_of_what_its_successor_wrote(
    database: Database, job: Job, claim: ClaimDue
) -> None:
    settle(database, job, JobEvent.SNOOZE)
    (successor,) = claim()
    record(database, outcome(successor, result='"of the successor"'))
    record(database, outcome(job, result='"of the zombie"'))
    intend(database, intent(job))
    row = rows(database, job)["create"]
    assert (row.status, row.result, row.fence) == (
        "succeeded", "of the successor", successor.fence,
    )  # fmt: skip


def test_a_group_is_kept_for_those_who_own_their_jobs(database: Database, claim: ClaimDue) -> None:
    first, second, third = claim(3)
    set_job(database, second.id, {"fence": 9})
    kept = intend(database, *(intent(one) for one in (first, second, third)))
    assert kept == {(one.id, one.fence, "create") for one in (first, third)}
    results = record(database, *(outcome(one) for one in (first, second, third)))
    assert results == {(one.id, one.fence, "create"): 1 for one in (first, third)}


def test_a_bad_value_is_refused_and_nothing_of_its_group_is_written(
    database: Database, claim: ClaimDue
) -> None:
    good, bad = claim(2)
    with pytest.raises(DatabaseRefused):
        intend(database, intent(good), intent(bad, name="nul \0"))
    with pytest.raises(DatabaseRefused):
        intend(database, intent(good), intent(bad, request={"x": "\0"}))
    with pytest.raises(DatabaseRefused):
        record(database, outcome(good), outcome(bad, result='"\\u0000"'))
    assert rows(database, good) == rows(database, bad) == {}


# --- the same step again --------------------------------------------------------------------


def test_of_entries_for_one_step_in_a_group_the_last_counts(database: Database, job: Job) -> None:
    kept = record(database, outcome(job, result="1"), outcome(job, result="2"))
    assert kept == {(job.id, job.fence, "create"): 2}


def test_an_intent_opens_a_failed_step_anew(database: Database, job: Job) -> None:
    record(database, outcome(job, error=error_record(ValueError("x"))))
    intend(database, intent(job))
    row = rows(database, job)["create"]
    assert (row.status, row.error, row.completed_at) == ("started", None, None)
    assert not row.ended_run


def test_of_several_writes_of_a_step_the_one_that_settles_last_counts(
    database: Database, job: Job
) -> None:
    intend(database, intent(job, settles_within=300 * SECOND))
    intend(database, intent(job, settles_within=SECOND))
    assert loaded(database, job)["create"].settled_in > 200 * SECOND


def test_a_step_that_was_read_began_when_its_run_began_it(database: Database, job: Job) -> None:
    record(database, outcome(job, "look", took=timedelta(seconds=8)))
    row = rows(database, job)["look"]
    assert row.completed_at is not None
    took = row.completed_at - row.created_at
    # Each of the two times is cut to whole microseconds.
    assert timedelta(seconds=7, milliseconds=999) <= took < timedelta(seconds=9)


def test_a_step_that_is_done_again_began_again(
    database: Database, job: Job, claim: ClaimDue
) -> None:
    failure = outcome(job, "look", error={"message": "no"}, took=timedelta(hours=1))
    record(database, failure)
    settle(database, job, JobEvent.RETRY, ended_by=("look",))
    (again,) = claim()
    record(database, outcome(again, "look", took=timedelta(seconds=8)))
    row = rows(database, job)["look"]
    assert row.completed_at is not None
    assert row.completed_at - row.created_at < timedelta(minutes=1)


def test_an_outcome_keeps_what_the_intent_said(database: Database, job: Job) -> None:
    intend(database, intent(job))
    record(database, outcome(job))
    row = rows(database, job)["create"]
    assert (row.status, row.result, row.request_id) == ("succeeded", 1, "r-1")
    assert row.completed_at is not None
    assert row.sent_at is not None


def test_the_result_comes_back_as_the_database_has_it(database: Database, job: Job) -> None:
    key = (job.id, job.fence, "create")
    assert record(database, outcome(job, result='{"b": 1.0, "a": [1e2]}'))[key] == {
        "a": [100], "b": 1.0,
    }  # fmt: skip
    assert record(database, outcome(job, result="null")) == {key: None}


# --- the next run ---------------------------------------------------------------------------


def test_the_next_run_gets_what_was_recorded_in_order(
    database: Database, job: Job, claim: ClaimDue
) -> None:
    intend(database, intent(job, "open", within="outer"))
    record(
        database,
        outcome(job, "done", result='{"id": 1}'),
        outcome(job, "caught", error=error_record(ValueError("x"))),
    )
    settle(database, job, JobEvent.RETRY)
    (again,) = claim()
    assert again.fence == job.fence + 1
    opened, done, caught = again.journal
    assert (opened.name, opened.is_open, opened.within) == ("open", True, "outer")
    assert timedelta(0) < opened.quiet_in <= 10 * SECOND < opened.settled_in <= 40 * SECOND
    assert (done.result, done.quiet_in) == ({"id": 1}, timedelta(0))
    assert caught.error is not None
    assert str(recorded_error(caught.error)) == "ValueError: x"


def test_a_failure_that_ended_its_run_is_cleared_for_the_next_and_others_stay(
    database: Database, job: Job, claim: ClaimDue
) -> None:
    failure = error_record(ValueError("x"))
    record(database, outcome(job, "ended", error=failure), outcome(job, "caught", error=failure))
    settle(database, job, JobEvent.RETRY, ended_by=("ended", "never recorded"))
    (again,) = claim()
    assert [one.name for one in again.journal] == ["caught"]
    record(database, outcome(again, "ended", result="2"))
    assert loaded(database, job)["ended"].result == 2


def test_what_succeeded_is_never_cleared(database: Database, job: Job) -> None:
    record(database, outcome(job))
    settle(database, job, JobEvent.RETRY, ended_by=("create",))
    assert loaded(database, job)["create"].status is StepStatus.SUCCEEDED


def test_times_that_have_passed_are_none(database: Database, job: Job) -> None:
    intend(database, intent(job, leaves_within=timedelta(0), settles_within=timedelta(0)))
    step = loaded(database, job)["create"]
    assert (step.quiet_in, step.settled_in) == (timedelta(0), timedelta(0))


# --- open steps and their answers -----------------------------------------------------------


@pytest.mark.parametrize(
    "event", [JobEvent.COMPLETE, JobEvent.FAIL, JobEvent.CANCEL, JobEvent.PAUSE]
)
def test_of_a_job_that_is_over_or_waits_no_step_stays_started(
    database: Database, job: Job, event: JobEvent
) -> None:
    intend(database, intent(job))
    settle(database, job, event)
    assert rows(database, job)["create"].status == "unknown"


@pytest.mark.parametrize("event", [JobEvent.RETRY, JobEvent.SNOOZE, JobEvent.HAND_BACK])
def test_of_a_job_that_goes_on_it_stays_for_the_next_run(
    database: Database, job: Job, event: JobEvent
) -> None:
    intend(database, intent(job))
    settle(database, job, event)
    assert rows(database, job)["create"].status == "started"


def test_closing_touches_only_what_is_started_in_these_jobs(
    database: Database, claim: ClaimDue
) -> None:
    one, other = claim(2)
    intend(database, intent(one), intent(other))
    record(database, outcome(one, "done"))
    with database.session.begin() as session:
        journal_rows.close_open_steps(session, [one.id])
        journal_rows.close_open_steps(session, [])
    assert {row.status for row in rows(database, one).values()} == {"unknown", "succeeded"}
    assert rows(database, other)["create"].status == "started"


def answer(
    database: Database, job: Job, name: str, result: Any = None, *, happened: bool
) -> list[str]:
    with database.session.begin() as session:
        return journal_rows.answer_step(session, job.id, name, result, happened=happened)


def test_a_persons_yes_is_the_result_and_a_no_lets_it_be_done_again(
    database: Database, job: Job
) -> None:
    intend(database, intent(job, "first"), intent(job, "second"))
    settle(database, job, JobEvent.PAUSE)
    assert answer(database, job, "first", {"id": 7}, happened=True) == ["second"]
    with pytest.raises(InputError, match="can still take effect until"):
        answer(database, job, "second", happened=False)
    with database.session.begin() as session:
        session.execute(update(MarketplaceTask).values(settles_at=func.clock_timestamp()))
    assert answer(database, job, "second", happened=False) == []
    steps = loaded(database, job)
    assert steps.keys() == {"first"}
    assert (steps["first"].status, steps["first"].result) == (StepStatus.SUCCEEDED, {"id": 7})


def test_only_an_open_step_can_be_answered_and_the_error_names_those(
    database: Database, job: Job
) -> None:
    intend(database, intent(job, "open"))
    record(database, outcome(job, "done"))
    with pytest.raises(InputError, match="no open step 'done'; open are: open"):
        answer(database, job, "done", happened=True)
    with pytest.raises(InvalidJson):
        answer(database, job, "open", float("nan"), happened=True)
    answer(database, job, "open", happened=True)
    with pytest.raises(InputError, match="none of its steps is open"):
        answer(database, job, "open", happened=False)


def test_the_journal_goes_with_its_job(database: Database, job: Job) -> None:
    intend(database, intent(job))
    with database.session.begin() as session:
        session.execute(
            text("DELETE FROM marketplace_runtime.marketplace_jobs WHERE id = :id"), {"id": job.id}
        )
    assert rows(database, job) == {}
