"""MarketplaceJobService: what may become of a job, against PostgreSQL."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.errors import DatabaseUnavailable, IllegalTransition, InvalidJson, JobNotFound
from runtime.jobs.service import MarketplaceJobService
from runtime.runs.job_states import TRANSITIONS, JobEvent, JobStatus
from runtime.storage.models import BrowserPresence, MarketplaceJob, Shop
from runtime.storage.server import locks
from runtime.storage.server.engine import Database
from tests.support.database.listening import listening, received


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.session() as opened:
        yield opened


@pytest.fixture
def service(session: Session) -> MarketplaceJobService:
    return MarketplaceJobService(session)


@pytest.fixture
def shop(service: MarketplaceJobService, session: Session) -> Shop:
    added = service.add_shop("vinted", 7, "123", "Closet")
    session.commit()
    return added


def force(session: Session, job: MarketplaceJob, **values: Any) -> None:
    """Overwrite columns, past all rules."""
    for name, value in values.items():
        setattr(job, name, value)
    session.commit()


CHANGES: dict[JobEvent, Callable[[MarketplaceJobService, int], Any]] = {
    JobEvent.CLAIM: MarketplaceJobService.start_job,
    JobEvent.COMPLETE: MarketplaceJobService.complete_job,
    JobEvent.FAIL: lambda service, job_id: service.fail_job(job_id, "broken"),
    JobEvent.RETRY: MarketplaceJobService.increment_retry,
    JobEvent.PAUSE: MarketplaceJobService.pause_job,
    JobEvent.RESUME: MarketplaceJobService.resume_job,
    JobEvent.CANCEL: MarketplaceJobService.cancel_job,
    JobEvent.REQUEUE: MarketplaceJobService.retry_job,
}


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("event", CHANGES)
def test_every_change_follows_the_table_of_transitions(
    service: MarketplaceJobService, session: Session, shop: Shop, event: JobEvent, status: JobStatus
) -> None:
    job = service.create_job("vinted", "sync")
    force(session, job, status=status.value)
    fence = job.fence
    if status not in TRANSITIONS[event]:
        with pytest.raises(IllegalTransition):
            CHANGES[event](service, job.id)
        session.commit()
        session.refresh(job)
        assert (job.status, job.fence) == (status, fence)
        return
    CHANGES[event](service, job.id)
    session.commit()
    session.refresh(job)
    if (event, status) == (JobEvent.CANCEL, JobStatus.RUNNING):
        assert (job.status, job.cancel_requested, job.fence) == ("running", True, fence)
    else:
        assert (job.status, job.fence) == (TRANSITIONS[event][status], fence + 1)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("job_id", [99, 0, -1, 2**80])
def test_a_job_that_is_not_there_is_named(
    service: MarketplaceJobService,
    change: Callable[[MarketplaceJobService, int], Any],
    job_id: int,
) -> None:
    with pytest.raises(JobNotFound, match=str(job_id)):
        change(service, job_id)


def test_a_job_that_waits_is_cancelled_at_once(
    service: MarketplaceJobService, session: Session, shop: Shop
) -> None:
    job = service.cancel_job(service.create_job("vinted", "sync").id)
    assert job.status == "cancelled"
    assert job.completed_at is not None


def test_a_running_job_is_asked_to_end(
    service: MarketplaceJobService,
    session: Session,
    shop: Shop,
    database: Database,
) -> None:
    job = service.start_job(service.create_job("vinted", "sync").id)
    with listening(database, "marketplace_runtime_cancel") as ears:
        service.cancel_job(job.id)
        session.commit()
        assert received(ears) == str(job.id)
    assert (job.status, job.cancel_requested, job.completed_at) == ("running", True, None)
    ended, again = service.increment_retry(job.id)
    assert (ended.status, again) == ("cancelled", False)


def test_a_job_run_again_starts_anew_and_is_announced(
    service: MarketplaceJobService,
    session: Session,
    shop: Shop,
    database: Database,
) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    job = service.create_job("vinted", "sync", expires_at=past)
    service.start_job(job.id)
    force(session, job, retry_count=3, cancel_requested=True, progress={"current": 1})
    service.fail_job(job.id, "broken\0")
    assert job.error_message == "broken\\0"
    session.commit()
    with listening(database, "marketplace_runtime_jobs") as ears:
        service.retry_job(job.id)
        session.commit()
        assert json.loads(received(ears))["shop_id"] == shop.id
    assert (job.status, job.retry_count, job.cancel_requested) == ("pending", 0, False)
    assert {job.error_message, job.completed_at, job.expires_at} == {None}
    assert job.progress is None


def test_attempts_are_used_up_with_backoff(
    service: MarketplaceJobService, session: Session, shop: Shop
) -> None:
    job = service.create_job("vinted", "sync", max_retries=1)
    service.start_job(job.id)
    job, again = service.increment_retry(job.id)
    assert (job.status, job.retry_count, again) == ("pending", 1, True)
    service.start_job(job.id)
    job, again = service.increment_retry(job.id)
    assert (job.status, job.retry_count, again) == ("failed", 1, False)
    assert job.error_message == "it failed 2 times"


def test_a_result_that_is_no_json_is_refused(service: MarketplaceJobService, shop: Shop) -> None:
    job = service.start_job(service.create_job("vinted", "sync").id)
    with pytest.raises(InvalidJson):
        service.complete_job(job.id, {"seconds": float("inf")})
    assert service.complete_job(job.id, {"imported": 3}).result_data == {"imported": 3}


def connect(session: Session, user_id: int) -> None:
    """The seller's browser is there from now on, and was for a while."""
    session.execute(
        text("UPDATE marketplace_runtime.marketplace_jobs SET expiry_held_since = NULL")
    )
    node = session.scalar(
        text(
            "INSERT INTO marketplace_runtime.runtime_nodes (hostname, pid) VALUES ('x', 1) "
            "RETURNING id"
        )
    )
    session.add(BrowserPresence(user_id=user_id, node_id=node))
    session.flush()


def test_only_a_job_that_never_started_expires(
    service: MarketplaceJobService, session: Session, shop: Shop
) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    never, started, later, endless = (
        service.create_job("vinted", "sync", expires_at=expires_at)
        for expires_at in (past, past, past + timedelta(hours=1), None)
    )
    service.start_job(started.id)
    service.increment_retry(started.id)
    assert service.expire_old_jobs("ebay") == 0
    assert service.expire_old_jobs("vinted") == 0, "the seller is away"
    connect(session, 7)
    assert service.expire_old_jobs("vinted") == 1
    session.commit()
    for job in (never, started, later, endless):
        session.refresh(job)
    assert (never.status, started.status, later.status, endless.status) == (
        "expired",
        "pending",
        "pending",
        "pending",
    )


def test_a_lock_of_another_transaction_is_not_waited_for_long(
    database: Database,
    service: MarketplaceJobService,
    session: Session,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "TRY_SECONDS", 0.01)
    job_id = service.create_job("vinted", "sync").id
    session.execute(text("SET LOCAL lock_timeout = '77s'"))
    service.cancel_job(job_id)
    with pytest.raises(IllegalTransition):
        service.cancel_job(job_id)
    assert session.execute(text("SHOW lock_timeout")).scalar_one() == "77s"
    service.retry_job(job_id)
    session.commit()
    service.pause_job(job_id)
    with (
        database.session() as other,
        pytest.raises(DatabaseUnavailable, match=f"job {job_id} is locked by another transaction"),
    ):
        MarketplaceJobService(other).cancel_job(job_id)
