"""Settlements: in groups, only for the run that owns the job, only along legal transitions."""

from datetime import timedelta

import pytest

from runtime import Job
from runtime.errors import DatabaseRefused, IllegalTransition
from runtime.messages import LaneRequest, LaneShop, RecordProgress
from runtime.runs.job_states import TRANSITIONS, JobEvent, JobStatus
from runtime.runs.settlement import MAX_POISONINGS, Settlement
from runtime.storage.models import MarketplaceTask
from runtime.storage.nodes.membership import hand_back_jobs, register_node
from runtime.storage.queue.claims import claim_jobs
from runtime.storage.queue.settlements import record_progress, settle_jobs
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job, set_job


@pytest.fixture
def node(database: Database) -> int:
    with database.session.begin() as session:
        return register_node(session)


@pytest.fixture
def job(database: Database, node: int) -> Job:
    shop = add_shop(database)
    add_job(database, shop)
    with database.session.begin() as session:
        (claimed,) = claim_jobs(session, "vinted", [LaneRequest(shop, (shop,), 1)], 1, node).jobs
    return claimed


def settle(database: Database, *settlements: Settlement) -> set[int]:
    with database.session.begin() as session:
        return set(settle_jobs(session, settlements).written)


def add_task(database: Database, job: Job, status: str) -> None:
    with database.session.begin() as session:
        task = MarketplaceTask(job_id=job.id, name="a", status=status, fence=job.fence)
        session.add(task)


def test_a_completed_job_keeps_its_result(database: Database, job: Job) -> None:
    settled = settle(database, Settlement(job.id, job.fence, JobEvent.COMPLETE, result={"n": 1}))
    row = get_job(database, job.id)
    assert settled == {job.id}
    assert (row.status, row.result_data, row.node_id) == ("completed", {"n": 1}, None)
    assert row.completed_at is not None


def test_a_retried_job_waits_for_its_delay_and_counts_an_attempt(
    database: Database, job: Job
) -> None:
    delay = timedelta(minutes=5)
    settle(database, Settlement(job.id, job.fence, JobEvent.RETRY, error="no", delay=delay))
    row = get_job(database, job.id)
    assert (row.status, row.retry_count, row.snooze_count) == ("pending", 1, 0)
    assert row.error_message == "no"
    assert row.started_at is not None
    assert row.run_at > row.started_at + timedelta(minutes=4)
    assert row.completed_at is None


def test_a_snoozed_job_uses_up_no_attempt(database: Database, job: Job) -> None:
    settle(database, Settlement(job.id, job.fence, JobEvent.SNOOZE))
    row = get_job(database, job.id)
    assert (row.status, row.retry_count, row.snooze_count) == ("pending", 0, 1)


@pytest.mark.parametrize("event", [JobEvent.SNOOZE, JobEvent.HAND_BACK])
def test_a_run_that_stalled_its_node_and_used_no_attempt_is_a_poisoning(
    database: Database, job: Job, event: JobEvent
) -> None:
    # The intent of a write that the stall kept from leaving is no outcome.
    add_task(database, job, "started")
    settle(database, Settlement(job.id, job.fence, event, stalled=True))
    row = get_job(database, job.id)
    assert (row.status, row.retry_count, row.poison_count) == ("pending", 0, 1)


def test_a_run_that_stalled_its_node_once_too_often_fails_its_job(
    database: Database, job: Job
) -> None:
    set_job(database, job.id, {"poison_count": MAX_POISONINGS})
    stalled = Settlement(
        job.id, job.fence, JobEvent.SNOOZE, waiting_reason="soon", stalled=True, keeps_age=True
    )
    settle(database, stalled)
    row = get_job(database, job.id)
    assert (row.status, row.poison_count) == ("failed", MAX_POISONINGS + 1)
    assert row.error_message == "the service died or hung 6 times while it ran this job"
    assert row.waiting_reason is None
    assert row.completed_at is not None


def test_a_run_that_stalled_its_node_but_got_on_is_no_poisoning(
    database: Database, job: Job
) -> None:
    add_task(database, job, "succeeded")
    settle(database, Settlement(job.id, job.fence, JobEvent.SNOOZE, stalled=True))
    assert get_job(database, job.id).poison_count == 0


@pytest.mark.parametrize("event", [JobEvent.RETRY, JobEvent.COMPLETE, JobEvent.FAIL])
def test_an_end_that_counts_by_itself_is_no_poisoning(
    database: Database, job: Job, event: JobEvent
) -> None:
    settle(database, Settlement(job.id, job.fence, event, stalled=True))
    assert get_job(database, job.id).poison_count == 0


def test_a_run_with_an_old_fence_writes_nothing(database: Database, job: Job) -> None:
    set_job(database, job.id, {"fence": job.fence + 1})
    assert settle(database, Settlement(job.id, job.fence, JobEvent.COMPLETE)) == set()
    assert get_job(database, job.id).status == "running"


@pytest.mark.parametrize("status", [one for one in JobStatus if one is not JobStatus.RUNNING])
def test_a_late_ending_overwrites_no_other_status(
    database: Database, job: Job, status: JobStatus
) -> None:
    set_job(database, job.id, {"status": status.value})
    assert settle(database, Settlement(job.id, job.fence, JobEvent.COMPLETE)) == set()
    assert get_job(database, job.id).status == status.value


@pytest.mark.parametrize(
    "event", [one for one in JobEvent if JobStatus.RUNNING not in TRANSITIONS[one]]
)
def test_an_event_that_cannot_happen_to_a_running_job_is_refused(
    database: Database, job: Job, event: JobEvent
) -> None:
    with pytest.raises(IllegalTransition):
        settle(database, Settlement(job.id, job.fence, event))


@pytest.mark.parametrize("event", [JobEvent.RETRY, JobEvent.SNOOZE])
def test_a_cancellation_wins_over_another_run(
    database: Database, job: Job, event: JobEvent
) -> None:
    set_job(database, job.id, {"cancel_requested": True})
    settle(database, Settlement(job.id, job.fence, event))
    row = get_job(database, job.id)
    assert row.status == "cancelled"
    assert row.completed_at is not None


def test_a_completion_that_came_before_the_cancellation_could_act_is_the_truth(
    database: Database, job: Job
) -> None:
    set_job(database, job.id, {"cancel_requested": True})
    settle(database, Settlement(job.id, job.fence, JobEvent.COMPLETE))
    assert get_job(database, job.id).status == "completed"


def test_a_bad_value_is_refused_and_nothing_of_the_group_is_written(
    database: Database, job: Job
) -> None:
    bad = Settlement(job.id, job.fence, JobEvent.COMPLETE, result={"text": "\ud800"})
    with pytest.raises(DatabaseRefused, match="PostgreSQL refuses"):
        settle(database, bad)
    with pytest.raises(DatabaseRefused, match=r"cannot be given|refuses"):
        settle(database, Settlement(job.id, job.fence, JobEvent.FAIL, error="nul \0 byte"))
    assert get_job(database, job.id).status == "running"


def test_progress_is_written_only_for_the_run_that_owns_the_job(
    database: Database, job: Job
) -> None:
    with database.session.begin() as session:
        record_progress(
            session,
            [
                RecordProgress(job.id, job.fence, {"current": 1}),
                RecordProgress(job.id, job.fence, {"current": 2}),
                RecordProgress(job.id, job.fence - 1, {"current": 99}),
            ],
        )
    assert get_job(database, job.id).progress == {"current": 2}


def test_released_jobs_are_pending_again_without_an_attempt(
    database: Database, job: Job, node: int
) -> None:
    with database.session.begin() as session:
        assert hand_back_jobs(session, node, marketplace="ebay") == {}
        given_back = hand_back_jobs(session, node, marketplace="vinted")
    assert given_back == {"vinted": [LaneShop(job.shop.id, 7, job.priority)]}
    row = get_job(database, job.id)
    assert (row.status, row.retry_count, row.node_id) == ("pending", 0, None)


@pytest.mark.parametrize("event", [JobEvent.HAND_BACK, JobEvent.RETRY, JobEvent.SNOOZE])
def test_a_pause_that_was_asked_for_wins_over_another_run(
    database: Database, job: Job, event: JobEvent
) -> None:
    set_job(database, job.id, {"pause_requested": True})
    settle(database, Settlement(job.id, job.fence, event, waiting_reason="tried again"))
    row = get_job(database, job.id)
    assert (row.status, row.pause_requested, row.waiting_reason) == ("paused", False, None)


@pytest.mark.parametrize(
    ("event", "status"), [(JobEvent.COMPLETE, "completed"), (JobEvent.CANCEL, "cancelled")]
)
def test_a_job_that_ended_before_its_pause_has_ended(
    database: Database, job: Job, event: JobEvent, status: str
) -> None:
    set_job(database, job.id, {"pause_requested": True})
    settle(database, Settlement(job.id, job.fence, event))
    assert get_job(database, job.id).status == status


def test_a_cancellation_that_was_asked_for_wins_over_a_pause(database: Database, job: Job) -> None:
    set_job(database, job.id, {"pause_requested": True, "cancel_requested": True})
    settle(database, Settlement(job.id, job.fence, JobEvent.SNOOZE))
    assert get_job(database, job.id).status == "cancelled"


def test_the_pause_of_a_job_whose_node_died_is_honoured(
    database: Database, node: int, job: Job
) -> None:
    set_job(database, job.id, {"pause_requested": True})
    with database.session.begin() as session:
        hand_back_jobs(session, node)
    row = get_job(database, job.id)
    assert (row.status, row.pause_requested) == ("paused", False)


def test_a_job_that_waits_for_no_time_keeps_the_age_that_it_has(
    database: Database, job: Job
) -> None:
    due = get_job(database, job.id).run_at
    settle(database, Settlement(job.id, job.fence, JobEvent.SNOOZE, keeps_age=True))
    row = get_job(database, job.id)
    assert (row.status, row.run_at, row.snooze_count) == ("pending", due, 1)
