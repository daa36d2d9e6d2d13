"""Housekeeping: expiry, pruning, and claims whose cost does not grow with the table."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from runtime.errors import DatabaseUnavailable
from runtime.storage.models import MarketplaceJob, MarketplaceTask
from runtime.storage.nodes import housekeeping
from runtime.storage.nodes.housekeeping import Housekeeper
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job, set_job

LONG_AGO = datetime.now(UTC) - timedelta(days=40)


@pytest.fixture
def keeper(database: Database) -> Housekeeper:
    return Housekeeper(database, timedelta(days=30))


def test_a_job_that_never_started_expires(database: Database, keeper: Housekeeper) -> None:
    shop = add_shop(database)
    soon = datetime.now(UTC) + timedelta(hours=1)
    overdue, later, started, running = (add_job(database, shop, expires_at=soon) for _ in range(4))
    for job_id in (overdue, started, running):
        set_job(database, job_id, {"expires_at": LONG_AGO})
    set_job(database, started, {"started_at": LONG_AGO})
    set_job(database, running, {"status": "running"})
    assert keeper.tidy() == (1, 0)
    assert get_job(database, overdue).status == "expired"
    assert get_job(database, overdue).completed_at is not None
    assert [get_job(database, one).status for one in (later, started)] == ["pending"] * 2
    assert get_job(database, running).status == "running"


def test_what_is_over_for_long_is_removed_with_its_journal(
    database: Database, keeper: Housekeeper
) -> None:
    shop = add_shop(database)
    old, recent, pending = (add_job(database, shop) for _ in range(3))
    set_job(database, old, {"status": "completed", "completed_at": LONG_AGO})
    set_job(database, recent, {"status": "completed", "completed_at": datetime.now(UTC)})
    with database.session.begin() as session:
        session.add(MarketplaceTask(job_id=old, name="a", status="succeeded", fence=1))
    assert keeper.tidy() == (0, 1)
    with database.session() as session:
        assert session.get(MarketplaceJob, old) is None
        assert session.query(MarketplaceTask).count() == 0
    assert get_job(database, recent).status == "completed"
    assert get_job(database, pending).status == "pending"


def test_a_round_that_fails_does_not_keep_the_next_from_coming(
    keeper: Housekeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter([ValueError("a row that nobody expects"), DatabaseUnavailable("away")])
    tidied = threading.Event()

    def tidy() -> tuple[int, int]:
        for error in errors:
            raise error
        tidied.set()
        return 0, 0

    monkeypatch.setattr(housekeeping, "INTERVAL", timedelta(milliseconds=10))
    monkeypatch.setattr(keeper, "tidy", tidy)
    keeper.start()
    try:
        assert tidied.wait(60)
    finally:
        keeper.stop()


def test_it_is_done_in_small_batches(
    database: Database, keeper: Housekeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "PORTION", 2)
    shop = add_shop(database)
    for job_id in [add_job(database, shop) for _ in range(5)]:
        set_job(database, job_id, {"status": "failed", "completed_at": LONG_AGO})
    assert keeper.tidy() == (0, 5)


def test_a_job_that_somebody_holds_is_left_for_the_next_time(
    database: Database, keeper: Housekeeper
) -> None:
    shop = add_shop(database)
    held = add_job(database, shop)
    set_job(database, held, {"status": "failed", "completed_at": LONG_AGO})
    with database.engine.begin() as other:
        other.execute(
            text("SELECT 1 FROM marketplace_runtime.marketplace_jobs WHERE id = :id FOR UPDATE"),
            {"id": held},
        )
        assert keeper.tidy() == (0, 0)
    assert keeper.tidy() == (0, 1)


def test_a_table_that_somebody_holds_is_waited_for(database: Database, keeper: Housekeeper) -> None:
    with database.engine.begin() as other:
        other.execute(text("LOCK TABLE marketplace_runtime.budget_closures"))
        with pytest.raises(DatabaseUnavailable):
            keeper.tidy()
    assert keeper.tidy() == (0, 0)
