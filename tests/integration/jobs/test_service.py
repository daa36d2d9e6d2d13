"""MarketplaceJobService: creating, looking up and waiting, against PostgreSQL."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.errors import (
    ActionTypeNotFound,
    DatabaseNotMigrated,
    DatabaseUnavailable,
    IdempotencyConflict,
    InputError,
    InvalidJson,
    JobNotFound,
    ShopNotFound,
    ShopRequired,
    WaitTimeout,
)
from runtime.jobs.service import MarketplaceJobService
from runtime.storage.models import MarketplaceJob, Shop
from runtime.storage.server.engine import Database
from tests.support.database.listening import listening, received
from tests.support.deadline import wait_until

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


def wait_until_blocked(database: Database) -> None:
    """Return when a session of this database waits for a lock."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        wait_until(lambda: connection.execute(query).scalar_one())


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
    database: Database,
) -> None:
    with listening(database, "marketplace_runtime_jobs") as ears:
        lost = service.create_job("vinted", "sync").id
        session.rollback()
        other = service.add_shop("vinted", 8, "456")
        service.create_job("vinted", "sync", shop_id=other.id)
        session.commit()
        # Notifications come in the order of commits: one of the first would come first.
        payload = {"marketplace": "vinted", "shop_id": other.id, "user_id": 8, "priority": 4}
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
        ({"run_at": datetime.fromisoformat("2026-01-09")}, InputError, "run_at must say its time"),
        ({"run_at": datetime.max.replace(tzinfo=UTC)}, InputError, "run_at"),
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
    for action, shop_id, product_id in (
        ("orders", shop.id, None), ("sync", other.id, None), ("sync", shop.id, 5),
    ):  # fmt: skip
        with pytest.raises(IdempotencyConflict, match=f"already stands for job {first.id}"):
            service.create_job(
                "vinted", action, idempotency_key="k", user_id=7, shop_id=shop_id,
                product_id=product_id,
            )  # fmt: skip


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
    ours.status, ours.node_id = "running", alive
    theirs.status, theirs.node_id = "running", dead
    session.commit()
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
