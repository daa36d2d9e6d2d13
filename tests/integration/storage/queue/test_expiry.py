"""Expiry counts only the time in which a job could have started."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from runtime.jobs.service import MarketplaceJobService
from runtime.rate_limits.closures import Closure, ClosureKind, Level, Scope
from runtime.storage.nodes.housekeeping import Housekeeper
from runtime.storage.queue import closure_rows
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, connect_seller, get_job, set_job

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def keeper(database: Database) -> Housekeeper:
    return Housekeeper(database, timedelta(days=30), ["vinted"])


def job_of(
    database: Database, marketplace: str = "ebay", user_id: int = 7, expires_in: timedelta = HOUR
) -> int:
    shop = add_shop(database, marketplace, user_id)
    return add_job(database, shop, "sync", marketplace, expires_at=datetime.now(UTC) + expires_in)


def hours_pass(database: Database, job_id: int, hours: float = 2) -> None:
    """As if all of the job's times lay further back."""
    moved = {}
    job = get_job(database, job_id)
    for name in ("created_at", "expires_at", "expiry_held_since"):
        if getattr(job, name) is not None:
            moved[name] = getattr(job, name) - hours * HOUR
    set_job(database, job_id, moved)


def left(database: Database, job_id: int) -> timedelta:
    """The time that the job has left, to the minute."""
    expires_at = get_job(database, job_id).expires_at
    assert expires_at is not None
    return round((expires_at - datetime.now(UTC)) / MINUTE) * MINUTE


def closed(
    level: Level,
    shop_id: int | None = None,
    action: str | None = None,
    until: datetime | None = None,
) -> Closure:
    node = Scope("ebay", level, shop_id, action)
    return Closure(node, ClosureKind.RATE_LIMIT, "x", datetime.now(UTC), until)


def close(database: Database, closure: Closure) -> None:
    with database.session.begin() as session:
        closure_rows.close_scopes(session, [closure])


def test_the_time_of_a_job_stands_still_while_its_seller_is_away(
    database: Database, keeper: Housekeeper
) -> None:
    job_id = job_of(database, "vinted")
    keeper.tidy()
    hours_pass(database, job_id)
    keeper.tidy()
    assert get_job(database, job_id).status == "pending"
    connect_seller(database)
    keeper.tidy()
    assert (get_job(database, job_id).status, left(database, job_id)) == ("pending", HOUR)
    assert get_job(database, job_id).expiry_held_since is None
    hours_pass(database, job_id)
    keeper.tidy()
    assert get_job(database, job_id).status == "expired"


def test_a_job_that_was_due_before_the_first_look_at_it_did_not_have_its_time_either(
    database: Database, keeper: Housekeeper
) -> None:
    job_id = job_of(database, "vinted", expires_in=timedelta(seconds=1))
    set_job(database, job_id, {"expires_at": datetime.now(UTC) - timedelta(seconds=5)})
    keeper.tidy()
    connect_seller(database)
    keeper.tidy()
    assert get_job(database, job_id).status == "expired", "it had its time before the sweep"
    other = job_of(database, "vinted", user_id=8, expires_in=timedelta(seconds=30))
    hours_pass(database, other, 45 / 3600)
    keeper.tidy()
    connect_seller(database, 8)
    keeper.tidy()
    job = get_job(database, other)
    assert job.status == "pending"
    assert job.expires_at is not None
    assert job.expires_at - datetime.now(UTC) > timedelta(seconds=25)


@pytest.mark.parametrize("level", [Level.MARKETPLACE, Level.APP_KEY, Level.SHOP])
def test_it_stands_still_while_the_way_is_closed(
    database: Database, keeper: Housekeeper, level: Level
) -> None:
    job_id, other = job_of(database), job_of(database, "etsy")
    shop_id = get_job(database, job_id).shop_id if level is Level.SHOP else None
    close(database, closure := closed(level, shop_id))
    keeper.tidy()
    for one in (job_id, other):
        hours_pass(database, one)
    keeper.tidy()
    assert [get_job(database, one).status for one in (job_id, other)] == ["pending", "expired"]
    with database.session.begin() as session:
        closure_rows.open_scopes(session, [closure.key])
    keeper.tidy()
    assert left(database, job_id) == HOUR


def test_a_closed_action_or_a_closure_that_ended_stops_no_time(
    database: Database, keeper: Housekeeper
) -> None:
    job_id = job_of(database)
    shop_id = get_job(database, job_id).shop_id
    close(database, closed(Level.ACTION, shop_id, "sync"))
    close(database, closed(Level.SHOP, shop_id, until=datetime.now(UTC) - HOUR))
    hours_pass(database, job_id)
    keeper.tidy()
    assert get_job(database, job_id).status == "expired"


def test_a_paused_job_does_not_expire_and_has_its_time_left_when_it_is_resumed(
    database: Database, keeper: Housekeeper
) -> None:
    job_id = job_of(database)
    with database.session.begin() as session:
        MarketplaceJobService(session).pause_job(job_id)
    hours_pass(database, job_id)
    keeper.tidy()
    assert get_job(database, job_id).status == "paused"
    with database.session.begin() as session:
        MarketplaceJobService(session).resume_job(job_id)
    keeper.tidy()
    assert (get_job(database, job_id).status, left(database, job_id)) == ("pending", HOUR)


def test_the_service_expires_by_the_same_rule(database: Database) -> None:
    away, due = job_of(database, "vinted"), job_of(database)
    for job_id in (away, due):
        hours_pass(database, job_id)
    with database.session.begin() as session:
        service = MarketplaceJobService(session)
        assert service.expire_old_jobs("vinted") == 0
        assert service.expire_old_jobs("ebay") == 1
    assert [get_job(database, one).status for one in (away, due)] == ["pending", "expired"]


def test_a_job_that_somebody_holds_is_left_for_the_next_time(
    database: Database, keeper: Housekeeper
) -> None:
    job_id = job_of(database, "vinted")
    with database.engine.begin() as other:
        other.execute(
            text("SELECT 1 FROM marketplace_runtime.marketplace_jobs WHERE id = :id FOR UPDATE"),
            {"id": job_id},
        )
        keeper.tidy()
        assert get_job(database, job_id).expiry_held_since is None
    keeper.tidy()
    assert get_job(database, job_id).expiry_held_since is not None
