"""MarketplaceJobService against PostgreSQL."""

import json
import select
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2.extensions
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.errors import (
    ActionTypeNotFound,
    DatabaseNotMigrated,
    DatabaseUnavailable,
    IdempotencyConflict,
    IllegalTransition,
    InputError,
    InvalidJson,
    JobNotFound,
    ShopNotFound,
    ShopRequired,
    WaitTimeout,
)
from runtime.service import MarketplaceJobService
from runtime.states import TRANSITIONS, JobEvent, JobStatus
from runtime.storage import locks
from runtime.storage.engine import Database
from runtime.storage.models import MarketplaceJob, Shop

DEADLINE_SECONDS = 20.0


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


@pytest.fixture
def listen(
    database: Database,
) -> Iterator[Callable[[str], psycopg2.extensions.connection]]:
    connections = []

    def on(channel: str) -> psycopg2.extensions.connection:
        connection = database.direct_connection()
        connections.append(connection)
        with connection.cursor() as cursor:
            cursor.execute(f'LISTEN "{channel}"')
        return connection

    yield on
    for connection in connections:
        connection.close()


def received(connection: psycopg2.extensions.connection) -> str:
    """The payload of the next notification."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not connection.notifies:
        left = deadline - time.monotonic()
        assert left > 0, "no notification came"
        select.select([connection], [], [], left)
        connection.poll()
    return str(connection.notifies.pop(0).payload)


def wait_until_blocked(database: Database) -> None:
    """Return when a session of this database waits for a lock."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    query = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(query).scalar_one():
            assert time.monotonic() < deadline, "nobody waits for a lock"


def force(session: Session, job: MarketplaceJob, **values: Any) -> None:
    for name, value in values.items():
        setattr(job, name, value)
    session.commit()


# --- creating -----------------------------------------------------------------------------


def test_a_job_is_created_with_the_defaults_of_its_action(
    service: MarketplaceJobService, session: Session, shop: Shop
) -> None:
    job = service.create_job("vinted", "message", input_data={"page": 1})
    assert job.id
    assert (job.status, job.priority, job.max_retries) == ("pending", 1, 3)
    assert (job.user_id, job.shop_id, job.input_data) == (7, shop.id, {"page": 1})
    assert job.run_at is not None
    assert session.in_transaction()


def test_a_rollback_leaves_no_job_and_no_notification(
    service: MarketplaceJobService,
    session: Session,
    shop: Shop,
    listen: Callable[[str], psycopg2.extensions.connection],
) -> None:
    ears = listen("marketplace_runtime_jobs")
    lost = service.create_job("vinted", "sync").id
    session.rollback()
    other = service.add_shop("vinted", 8, "456")
    service.create_job("vinted", "sync", shop_id=other.id)
    session.commit()
    # Notifications come in the order of commits: were there one of the first, it came first.
    payload = {"marketplace": "vinted", "shop_id": other.id, "user_id": 8}
    assert json.loads(received(ears)) == payload
    assert service.get_job(lost) is None


def test_an_unknown_pair_names_what_is_known(service: MarketplaceJobService, shop: Shop) -> None:
    with pytest.raises(ValueError, match=r"Action type not found: 'sinc' on 'vinted'.*, sync, "):
        service.create_job("vinted", "sinc")
    for marketplace in ("vintd", "vin\0ted", "\ud800"):
        with pytest.raises(ActionTypeNotFound):
            service.create_job(marketplace, "sync")


@pytest.mark.parametrize(
    ("arguments", "error", "names"),
    [
        ({"priority": 0}, InputError, "priority"),
        ({"priority": 5}, InputError, "priority"),
        ({"priority": True}, InputError, "priority"),
        ({"max_retries": -1}, InputError, "max_retries"),
        ({"product_id": 2**63}, InputError, "product_id"),
        ({"user_id": "7"}, InputError, "user_id"),
        ({"run_at": datetime.max}, InputError, "run_at must say its time zone"),
        ({"expires_at": "tomorrow"}, InputError, "expires_at"),
        ({"idempotency_key": ""}, InputError, "idempotency_key"),
        ({"idempotency_key": "k" * 256}, InputError, "256 characters"),
        ({"idempotency_key": "a\0b"}, InputError, "cannot be stored"),
        ({"input_data": {"a": float("nan")}}, InvalidJson, "input_data"),
        ({"input_data": {"a": ["\0"]}}, InvalidJson, "input_data"),
        ({"input_data": {"a": {1}}}, InvalidJson, "input_data"),
        ({"input_data": [1]}, InvalidJson, "JSON object"),
        ({"shop_id": 99}, ShopNotFound, "shop 99 does not exist"),
        ({"user_id": 8}, ShopRequired, "user 8 has no shop on vinted"),
    ],
)
def test_bad_input_is_refused_by_name_and_changes_nothing(
    service: MarketplaceJobService,
    session: Session,
    shop: Shop,
    arguments: dict[str, Any],
    error: type[Exception],
    names: str,
) -> None:
    with pytest.raises(error, match=names):
        service.create_job("vinted", "sync", **arguments)
    session.commit()
    assert service.get_stats()["total"] == 0


def test_the_shop_may_be_left_out_only_where_one_is_possible(
    service: MarketplaceJobService, session: Session, shop: Shop
) -> None:
    other = service.add_shop("vinted", 8, "456")
    assert service.create_job("vinted", "sync", user_id=8).shop_id == other.id
    assert service.create_job("vinted", "sync", shop_id=other.id).user_id == 8
    with pytest.raises(ShopRequired, match=rf"{shop.id} \(Closet\), {other.id} \(456\)"):
        service.create_job("vinted", "sync")
    with pytest.raises(ShopNotFound, match="does not belong to user 7"):
        service.create_job("vinted", "sync", user_id=7, shop_id=other.id)
    with pytest.raises(ShopNotFound, match="on vinted, not on ebay"):
        service.create_job("ebay", "sync", shop_id=shop.id)
    with pytest.raises(ShopRequired, match=r"run\.py shops add ebay --user USER"):
        service.create_job("ebay", "sync")


def test_a_shop_is_added_once_and_belongs_to_one_user(
    service: MarketplaceJobService, shop: Shop
) -> None:
    assert service.add_shop("vinted", 7, "123", "Another name").id == shop.id
    assert service.add_shop("ebay", 8, "123").id != shop.id
    with pytest.raises(InputError, match="already belongs to another user"):
        service.add_shop("vinted", 8, "123")
    with pytest.raises(InputError, match="'vintd' is not known; known: ebay, etsy, vinted"):
        service.add_shop("vintd", 7, "123")
    for external_id in ("", " ", "a\0", "\ud800", "x" * 300):
        with pytest.raises(InputError, match="external_id"):
            service.add_shop("vinted", 7, external_id)


# --- idempotency --------------------------------------------------------------------------


def test_a_key_stands_for_one_job_in_whatever_state(
    service: MarketplaceJobService, session: Session, shop: Shop
) -> None:
    first = service.create_job("vinted", "sync", idempotency_key="k")
    session.commit()
    service.cancel_job(first.id)
    again = service.create_job("vinted", "sync", idempotency_key="k", priority=1)
    assert (again.id, again.status, again.priority) == (first.id, "cancelled", 4)
    other = service.add_shop("vinted", 7, "second")
    assert service.create_job("vinted", "sync", user_id=7, idempotency_key="k").id == first.id
    stranger = service.add_shop("vinted", 8, "456")
    mine = service.create_job("vinted", "sync", shop_id=stranger.id, idempotency_key="k")
    assert mine.id != first.id
    for different in (
        {"action_code": "orders", "shop_id": shop.id},
        {"action_code": "sync", "shop_id": other.id},
        {"action_code": "sync", "shop_id": shop.id, "product_id": 5},
    ):
        with pytest.raises(IdempotencyConflict, match=f"already stands for job {first.id}"):
            service.create_job("vinted", idempotency_key="k", user_id=7, **different)


@pytest.mark.parametrize("first_commits", [True, False])
def test_of_two_sessions_with_one_key_the_second_waits_for_the_first(
    database: Database,
    service: MarketplaceJobService,
    session: Session,
    shop: Shop,
    first_commits: bool,
) -> None:
    first = service.create_job("vinted", "sync", idempotency_key="k").id
    second: list[int] = []

    def create() -> None:
        with database.session() as own, own.begin():
            job = MarketplaceJobService(own).create_job("vinted", "sync", idempotency_key="k")
            second.append(job.id)

    thread = threading.Thread(target=create)
    thread.start()
    wait_until_blocked(database)
    session.commit() if first_commits else session.rollback()
    thread.join(DEADLINE_SECONDS)
    assert (second == [first]) is first_commits
    assert service.get_stats()["total"] == 1


# --- changing -----------------------------------------------------------------------------

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
    listen: Callable[[str], psycopg2.extensions.connection],
) -> None:
    ears = listen("marketplace_runtime_cancel")
    job = service.start_job(service.create_job("vinted", "sync").id)
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
    listen: Callable[[str], psycopg2.extensions.connection],
) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    job = service.create_job("vinted", "sync", expires_at=past)
    service.start_job(job.id)
    force(session, job, retry_count=3, cancel_requested=True, progress={"current": 1})
    service.fail_job(job.id, "broken\0")
    assert job.error_message == "broken\\0"
    session.commit()
    ears = listen("marketplace_runtime_jobs")
    service.retry_job(job.id)
    session.commit()
    assert json.loads(received(ears))["shop_id"] == shop.id
    assert (job.status, job.retry_count, job.cancel_requested) == ("pending", 0, False)
    assert (job.error_message, job.completed_at, job.expires_at) == (None, None, None)
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
    monkeypatch.setattr(locks, "LONGEST_WAIT_SECONDS", 0.05)
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


# --- looking up ---------------------------------------------------------------------------


def test_pending_jobs_come_by_urgency_when_due(
    service: MarketplaceJobService, session: Session, shop: Shop
) -> None:
    low = service.create_job("vinted", "sync", priority=4)
    high = service.create_job("vinted", "sync", priority=1)
    service.create_job("vinted", "sync", run_at=datetime.now(UTC) + timedelta(hours=1))
    assert [job.id for job in service.get_pending_jobs()] == [high.id, low.id]
    assert [job.id for job in service.get_pending_jobs(limit=1)] == [high.id]
    assert service.get_pending_jobs(marketplace="ebay") == []
    next_one = service.get_next_pending_job("vinted")
    assert next_one is not None
    assert next_one.id == high.id
    assert service.get_next_pending_job("ebay") is None


def test_a_running_job_of_a_dead_node_is_interrupted(
    service: MarketplaceJobService, session: Session, shop: Shop
) -> None:
    insert = text(
        "INSERT INTO marketplace_runtime.runtime_nodes (hostname, pid, heartbeat_at) "
        "VALUES ('here', 1, now() - make_interval(secs => :age)) RETURNING id"
    )
    alive, dead = (session.execute(insert, {"age": age}).scalar_one() for age in (1, 60))
    ours, theirs = (service.create_job("vinted", "sync") for _ in range(2))
    force(session, ours, status="running", node_id=alive)
    force(session, theirs, status="running", node_id=dead)
    assert [job.id for job in service.get_interrupted_jobs("vinted")] == [theirs.id]


def test_action_types_can_be_looked_up(service: MarketplaceJobService) -> None:
    sync = service.get_action_type("ebay", "sync")
    assert sync is not None
    assert (sync.name, sync.priority) == ("Sync Products", 2)
    assert service.get_action_type_by_id(sync.id) is sync
    assert service.get_action_type("ebay", "nothing") is None
    assert service.get_action_type_by_id(9999) is None


def test_statistics_count_what_was_created(
    service: MarketplaceJobService, session: Session, shop: Shop
) -> None:
    assert service.get_stats()["success_rate"] is None
    done, broken, _ = (service.create_job("vinted", "sync").id for _ in range(3))
    for job_id in (done, broken):
        service.start_job(job_id)
    service.complete_job(done)
    service.fail_job(broken, "broken")
    stats = service.get_stats(days=1)
    assert (stats["total"], stats["success_rate"]) == (3, 0.5)
    assert stats["by_marketplace"] == {"vinted": {"pending": 1, "completed": 1, "failed": 1}}
    assert stats["average_seconds"] >= 0
    with pytest.raises(InputError, match="days"):
        service.get_stats(days=0)


# --- waiting ------------------------------------------------------------------------------


def test_wait_returns_the_job_as_it_ended(
    database: Database, service: MarketplaceJobService, session: Session, shop: Shop
) -> None:
    job_id = service.create_job("vinted", "sync").id
    session.commit()
    seen: list[str] = []

    def finish(job: MarketplaceJob) -> None:
        seen.append(job.status)
        with database.session() as other, other.begin():
            elsewhere = MarketplaceJobService(other)
            if job.status == "pending":
                elsewhere.start_job(job_id)
            elif job.status == "running":
                elsewhere.complete_job(job_id, {"imported": 3})

    ended = service.wait(job_id, timedelta(seconds=DEADLINE_SECONDS), finish)
    assert (ended.status, ended.result_data) == ("completed", {"imported": 3})
    assert seen == ["pending", "running", "completed"]
    assert not session.in_transaction()


def test_wait_says_when_it_cannot_succeed(
    service: MarketplaceJobService, session: Session, shop: Shop
) -> None:
    job_id = service.create_job("vinted", "sync").id
    with pytest.raises(InputError, match="not committed yet"):
        service.wait(job_id, 1)
    session.commit()
    with pytest.raises(WaitTimeout, match="still pending"):
        service.wait(job_id, 0)
    service.pause_job(job_id)
    session.commit()
    with pytest.raises(TimeoutError, match="still paused"):
        service.wait(job_id, 0)
    with pytest.raises(JobNotFound):
        service.wait(99)


# --- the database -------------------------------------------------------------------------


def test_a_database_without_tables_says_how_to_get_them(empty_database_url: Any) -> None:
    database = Database(empty_database_url)
    try:
        with (
            database.session() as session,
            pytest.raises(DatabaseNotMigrated, match=r"run\.py migrate"),
        ):
            MarketplaceJobService(session).create_job("vinted", "sync")
    finally:
        database.dispose()


def test_a_connection_that_breaks_is_one_clear_error(
    database: Database, service: MarketplaceJobService, session: Session, shop: Shop
) -> None:
    pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with database.session() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    with pytest.raises(DatabaseUnavailable, match="went away"):
        service.create_job("vinted", "sync")
