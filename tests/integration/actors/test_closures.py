"""A closed scope stays closed across processes and restarts, and opens exactly when it is due."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from runtime import BaseJobHandler, Job, Marketplace
from runtime.errors import InputError, ShopNotFound
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.rate_limits.closures import Closure, ClosureKind, Level, Scope
from runtime.storage.queue import closure_rows
from runtime.storage.schema.plugin_action_types import ensure_action_types
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job
from tests.support.deadline import wait_until
from tests.support.processes.running_node import registry_of, running_node

NOW = datetime.now(UTC)
SHOP, ACTION = Level.SHOP, Level.ACTION


class Quick(BaseJobHandler):
    """Done at once."""

    async def execute(self, job: Job) -> dict[str, Any]:
        return {"success": True}


REGISTRY = registry_of(Marketplace("ebay"), handlers={("sync", "ebay"): Quick})


class Committing:
    """The service, with a commit behind each change."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            done = getattr(MarketplaceJobService(self._session), name)(*args, **kwargs)
            self._session.commit()
            return done

        return call


@pytest.fixture
def service(database: Database) -> Iterator[Committing]:
    with database.session() as session:
        yield Committing(session)


def stored(database: Database, *marketplaces: str) -> list[Closure]:
    with database.session() as session:
        return closure_rows.closures_of(session, marketplaces or None)


def close(database: Database, *closed: Closure) -> None:
    with database.session.begin() as session:
        closure_rows.close_scopes(session, closed)


def test_what_is_written_is_what_is_read(database: Database) -> None:
    shop = add_shop(database)
    written = [
        Closure(Scope("vinted", Level.MARKETPLACE), ClosureKind.PAUSED, "a", NOW),
        Closure(Scope("vinted", Level.APP_KEY), ClosureKind.RATE_LIMIT, "b", NOW + timedelta(1, 1),
                NOW + timedelta(2)),
        Closure(Scope("vinted", SHOP, shop), ClosureKind.NEEDS_USER, "c", NOW + timedelta(2)),
        Closure(Scope("vinted", ACTION, shop, "sync"), ClosureKind.RATE_LIMIT, "d",
                NOW + timedelta(3), NOW + timedelta(4)),
    ]  # fmt: skip
    close(database, *written)
    close(database, Closure(Scope("ebay", Level.MARKETPLACE), ClosureKind.PAUSED, "e", NOW))
    assert stored(database, "vinted") == written
    assert len(stored(database)) == 5


def test_of_one_node_and_kind_the_newer_word_counts(database: Database) -> None:
    scope = Scope("vinted", Level.APP_KEY)
    newer = Closure(scope, ClosureKind.RATE_LIMIT, "newer", NOW, NOW + timedelta(hours=1))
    close(database, Closure(scope, ClosureKind.RATE_LIMIT, "older", NOW, None))
    close(database, newer)
    close(database, other := Closure(scope, ClosureKind.PAUSED, "other", NOW + timedelta(1)))
    assert stored(database) == [newer, other]
    with database.session.begin() as session:
        closure_rows.open_scopes(session, [(scope, ClosureKind.RATE_LIMIT)])
    assert stored(database) == [other]


def test_what_ended_is_not_read_and_is_removed(database: Database) -> None:
    scope = Scope("vinted", Level.APP_KEY)
    over = datetime.now(UTC) - timedelta(minutes=2)
    close(database, Closure(scope, ClosureKind.RATE_LIMIT, "over", over - timedelta(1), over))
    assert stored(database) == []
    with database.session.begin() as session:
        assert closure_rows.prune_closures(session, 10) == 1


def test_resuming_a_shop_opens_whatever_closed_it_and_nothing_else(
    database: Database, service: Committing
) -> None:
    shop, other = add_shop(database), add_shop(database, user_id=8)
    kinds = [ClosureKind.NEEDS_USER, ClosureKind.NEEDS_AUTH, ClosureKind.RATE_LIMIT]
    close(database, *(Closure(Scope("vinted", SHOP, shop), kind, kind, NOW) for kind in kinds))
    close(database, Closure(Scope("vinted", ACTION, shop, "sync"), kinds[2], "x", NOW))
    service.pause_shop(shop, "holidays")
    service.pause_shop(other)
    service.pause_marketplace("vinted")
    opened = service.resume_shop(shop)
    assert sorted(one.kind for one in opened) == sorted([*kinds, kinds[2], ClosureKind.PAUSED])
    assert "paused by an operator: holidays" in [one.reason for one in opened]
    assert service.resume_shop(shop) == []
    assert {one.scope for one in stored(database)} == {
        Scope("vinted", SHOP, other),
        Scope("vinted", Level.MARKETPLACE),
    }
    assert [one.scope.level for one in service.resume_marketplace("vinted")] == [Level.MARKETPLACE]
    assert [one.scope for one in stored(database)] == [Scope("vinted", SHOP, other)]


def test_what_cannot_be_paused_is_refused(database: Database, service: Committing) -> None:
    shop = add_shop(database)
    with pytest.raises(ShopNotFound, match="shop 99 does not exist"):
        service.pause_shop(99)
    with pytest.raises(ShopNotFound, match="shop 99 does not exist"):
        service.resume_shop(99)
    with pytest.raises(InputError, match="'vintde' is not known"):
        service.pause_marketplace("vintde")
    with pytest.raises(InputError, match="until is in the past"):
        service.pause_shop(shop, until=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(InputError, match="until must say its time zone"):
        service.pause_shop(shop, until=datetime(2999, 1, 1))  # noqa: DTZ001 - that is the point
    assert stored(database) == []


@pytest.fixture
def shops(database: Database) -> tuple[int, int]:
    with database.session.begin() as session:
        ensure_action_types(session, REGISTRY.action_types)
    return add_shop(database, "ebay", 1), add_shop(database, "ebay", 2)


def test_a_pause_holds_its_shop_and_no_other_across_a_restart(
    database: Database, settings: Settings, service: Committing, shops: tuple[int, int]
) -> None:
    paused, other = shops
    service.pause_shop(paused)
    for _ in range(2):
        with running_node(settings, database, REGISTRY) as scene:
            waits = add_job(database, paused, "sync", "ebay")
            assert scene.ended(add_job(database, other, "sync", "ebay")).status == "completed"
            assert get_job(database, waits).status == "pending"
    with running_node(settings, database, REGISTRY, poll_seconds=30.0) as scene:
        assert scene.ended(add_job(database, other, "sync", "ebay")).status == "completed"
        service.resume_shop(paused)
        assert scene.ended(waits).status == "completed"


def test_a_pause_is_heard_of_at_once_and_ends_by_itself(
    database: Database, settings: Settings, service: Committing, shops: tuple[int, int]
) -> None:
    with running_node(settings, database, REGISTRY, poll_seconds=30.0) as scene:
        scene.ended(add_job(database, shops[0], "sync", "ebay"))
        until = datetime.now(UTC) + timedelta(seconds=2)
        service.pause_marketplace("ebay", until=until)
        actor = scene.marketplace("ebay")
        wait_until(lambda: actor._lanes._closed_above)
        job = scene.ended(add_job(database, shops[0], "sync", "ebay"))
        assert job.started_at is not None
        assert job.started_at >= until


def test_a_lost_announcement_costs_a_polling_interval(
    database: Database, settings: Settings, shops: tuple[int, int]
) -> None:
    with running_node(settings, database, REGISTRY) as scene:
        scene.ended(add_job(database, shops[0], "sync", "ebay"))
        actor = scene.marketplace("ebay")
        with database.engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO marketplace_runtime.budget_closures (marketplace, level, kind, reason)"
                " VALUES ('ebay', 'marketplace', 'paused', 'quietly')"
            )
        wait_until(lambda: actor._lanes._closed_above)
