"""MarketplaceJobProcessor without a service: what stops a run, and what it must not do then."""

import asyncio
import threading
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from runtime import Job
from runtime.errors import JobCancelled
from runtime.handlers.registry import Registry
from runtime.inline.processor import MarketplaceJobProcessor
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, get_job, set_job
from tests.support.database.migrating import run
from tests.support.processes.processing import (
    Depop,
    Make,
    add_depop,
    depop_registry,
    does,
    maker,
    process,
)


@pytest.fixture
def shop(database: Database) -> int:
    return add_depop(database)


@pytest.fixture
def registry(httpserver: HTTPServer) -> Registry:
    return depop_registry(httpserver)


@pytest.fixture
def make(database: Database, settings: Settings, registry: Registry) -> Make:
    return maker(database, settings, registry)


def test_a_cancellation_reaches_a_run_at_its_next_call(
    make: Make, database: Database, shop: int
) -> None:
    seen: list[str] = []

    async def long(handler: Depop, job: Job) -> None:
        try:
            await handler.run_blocking(cancel, job.id)
            await handler.run_blocking(seen.append, "went on")
        except JobCancelled:
            seen.append("cancelled")
            raise

    def cancel(job_id: int) -> None:
        with database.session.begin() as session:
            MarketplaceJobService(session).cancel_job(job_id)

    does(long)
    job_id = add_job(database, shop, "publish", "depop")

    done = process(make())

    assert seen == ["cancelled"]
    assert done is not None
    assert (done["error"], done["will_retry"]) == ("the job is cancelled", False)
    assert get_job(database, job_id).status == "cancelled"


def test_a_pause_leaves_the_run_where_it_stands(
    make: Make, database: Database, shop: int, httpserver: HTTPServer
) -> None:
    httpserver.expect_oneshot_request("/a", method="PUT").respond_with_json({"a": 1})
    httpserver.expect_oneshot_request("/b", method="PUT").respond_with_json({"b": 2})

    async def two(handler: Depop, job: Job) -> dict[str, Any]:
        a = await handler.step("a", handler.call_http("PUT", "/a", json={}), repeatable=True)
        await handler.run_blocking(pause, job.id)
        b = await handler.step("b", handler.call_http("PUT", "/b", json={}), repeatable=True)
        return {**a, **b}

    paused: list[int] = []

    def pause(job_id: int) -> None:
        if not paused:
            paused.append(job_id)
            with database.session.begin() as session:
                MarketplaceJobService(session).pause_job(job_id)

    does(two)
    job_id = add_job(database, shop, "publish", "depop")

    process(make())

    assert get_job(database, job_id).status == "paused"
    with database.session.begin() as session:
        MarketplaceJobService(session).resume_job(job_id)
    done = process(make())
    assert done is not None
    assert done["result"] == {"a": 1, "b": 2}
    httpserver.check_assertions()


def test_one_whose_job_was_taken_away_writes_nothing_more(
    make: Make, database: Database, shop: int
) -> None:
    went_on: list[int] = []

    async def lose(handler: Depop, job: Job) -> None:
        await handler.run_blocking(set_job, database, job.id, {"fence": job.fence + 1})
        await handler.run_blocking(went_on.append, job.id)

    does(lose)
    job_id = add_job(database, shop, "publish", "depop")

    process(make())

    job = get_job(database, job_id)
    assert (job.fence, job.error_message, job.completed_at) == (2, None, None)
    assert went_on == []


def test_a_node_whose_heartbeat_is_not_confirmed_sends_no_write(
    make: Make, database: Database, shop: int, httpserver: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("runtime.process.lease.Lease.renew", lambda _lease, _asked_at: None)
    httpserver.expect_request("/a").respond_with_json({})

    async def write(handler: Depop, job: Job) -> Any:
        return await handler.step("a", handler.call_http("PUT", "/a", json={}), repeatable=True)

    does(write)
    job_id = add_job(database, shop, "publish", "depop")

    done = process(make())

    assert done is not None
    assert (done["will_retry"], done["retry_count"]) == (True, 0)
    assert httpserver.log == []
    assert get_job(database, job_id).status == "pending"


def test_several_processes_do_each_job_once(make: Make, database: Database, shop: int) -> None:
    ran: list[int] = []

    async def note(handler: Depop, job: Job) -> None:
        await handler.run_blocking(ran.append, job.id)

    does(note)
    jobs = [add_job(database, shop, "publish", "depop") for _ in range(9)]

    async def all_of(processor: MarketplaceJobProcessor) -> None:
        while await processor.process_next_job():
            pass

    threads = [threading.Thread(target=lambda: asyncio.run(all_of(make()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(ran) == jobs


def test_a_function_that_does_not_return_is_not_waited_for_without_end(
    make: Make, database: Database, shop: int
) -> None:
    release = threading.Event()
    run(database, "UPDATE public.marketplace_action_types SET timeout_seconds = 1")

    async def stuck(handler: Depop, job: Job) -> None:
        await handler.run_blocking(release.wait, 60)

    does(stuck)
    add_job(database, shop, "publish", "depop")

    done = process(make())

    release.set()
    assert done is not None
    assert "the function did not return within 1s" in done["error"]
    assert (done["will_retry"], done["retry_count"]) == (True, 1)
