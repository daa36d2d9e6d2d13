"""Running jobs that somebody pauses or cancels, on a whole node."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest
from sqlalchemy import Executable, text
from sqlalchemy.orm import Session

from runtime import BaseJobHandler, Job, Marketplace
from runtime.errors import DatabaseUnavailable
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.storage.server import locks
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job
from tests.support.deadline import wait_until
from tests.support.processes.running_node import Scene, registry_of, running_node

HOLD = text("SELECT 1 FROM marketplace_runtime.marketplace_jobs WHERE id = :id FOR UPDATE")


class Walk(BaseJobHandler):
    """One step that is done once, then waits for its signal."""

    done: ClassVar[list[str]]
    entered: threading.Event
    go_on: threading.Event

    async def execute(self, job: Job) -> dict[str, Any]:
        await self.transaction("first", self._note)
        self.entered.set()
        while not self.go_on.is_set():
            await self.sleep(0.05)
        return {"success": True}

    @classmethod
    def _note(cls, _session: Session) -> None:
        cls.done.append("first")


@pytest.fixture
def walk() -> type[Walk]:
    class Fresh(Walk):
        done: ClassVar[list[str]] = []
        entered = threading.Event()
        go_on = threading.Event()

    return Fresh


@pytest.fixture
def scene(settings: Settings, database: Database, walk: type[Walk]) -> Iterator[Scene]:
    registry = registry_of(Marketplace("ebay"), handlers={("sync", "ebay"): walk})
    with running_node(settings, database, registry) as running:
        yield running
        walk.go_on.set()


def count(database: Database, query: Executable) -> int:
    with database.session() as session:
        return int(session.execute(query).scalar_one())


def act(database: Database, job_id: int, *changes: Callable[..., Any]) -> None:
    with database.session.begin() as session:
        for change in changes:
            change(MarketplaceJobService(session), job_id)


@pytest.fixture
def job(scene: Scene, database: Database, walk: type[Walk]) -> int:
    job_id = add_job(database, add_shop(database, "ebay"), "sync", "ebay")
    assert walk.entered.wait(60)
    return job_id


def test_a_running_job_is_paused_at_its_next_call_and_goes_on_where_it_was(
    scene: Scene, database: Database, walk: type[Walk], job: int
) -> None:
    act(database, job, MarketplaceJobService.pause_job)
    paused = scene.reaches(job, "paused")
    assert (paused.pause_requested, paused.node_id, paused.retry_count) == (False, None, 0)
    wait_until(lambda: not scene.marketplace("ebay")._runs)
    walk.go_on.set()
    act(database, job, MarketplaceJobService.resume_job)
    assert scene.ended(job).status == "completed"
    assert walk.done == ["first"], "what was recorded is not done again"


def test_a_request_to_pause_can_be_withdrawn(
    scene: Scene, database: Database, walk: type[Walk], job: int
) -> None:
    act(database, job, MarketplaceJobService.pause_job, MarketplaceJobService.resume_job)
    walk.go_on.set()
    assert scene.ended(job).status == "completed"
    assert walk.done == ["first"]


def test_a_paused_job_can_be_cancelled(scene: Scene, database: Database, job: int) -> None:
    act(database, job, MarketplaceJobService.pause_job)
    scene.reaches(job, "paused")
    act(database, job, MarketplaceJobService.cancel_job)
    assert get_job(database, job).status == "cancelled"


def test_a_cancellation_waits_for_a_lock_and_is_not_lost(
    scene: Scene, database: Database, job: int
) -> None:
    with ThreadPoolExecutor() as pool, database.engine.connect() as holder:
        holder.execute(HOLD, {"id": job})
        cancelling = pool.submit(act, database, job, MarketplaceJobService.cancel_job)
        waits = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        wait_until(lambda: count(database, waits))
        holder.rollback()
        cancelling.result(10)
    assert scene.ended(job).status == "cancelled"


def test_a_cancellation_that_a_lock_outlasts_says_so_and_changes_nothing(
    scene: Scene, database: Database, job: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "TRY_SECONDS", 0.02)
    with database.engine.connect() as holder:
        holder.execute(HOLD, {"id": job})
        with database.session() as session:
            service = MarketplaceJobService(session)
            service.add_shop("ebay", 9, "of the same transaction")
            with pytest.raises(DatabaseUnavailable, match=f"job {job} is locked by another"):
                service.cancel_job(job)
            session.commit()
        holder.rollback()
    with database.session() as session:
        assert MarketplaceJobService(session).add_shop("ebay", 9, "of the same transaction").id
    assert get_job(database, job).cancel_requested is False
    act(database, job, MarketplaceJobService.cancel_job)
    assert scene.ended(job).status == "cancelled"
