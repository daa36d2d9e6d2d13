"""MarketplaceJobProcessor without a service: in the process that asks."""

import asyncio
import threading
import time
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import text

from runtime import Job
from runtime.errors import ShopNotFound
from runtime.handlers.registry import Registry
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.storage.models import SCHEMA
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job, set_job
from tests.support.database.migrating import rows
from tests.support.processes.processing import (
    Depop,
    Make,
    add_depop,
    depop_registry,
    does,
    maker,
    process,
)

TASKS = f"SELECT name, task_type, status, fence FROM {SCHEMA}.marketplace_tasks ORDER BY id"
NODES = f"SELECT count(*) FROM {SCHEMA}.runtime_nodes"


@pytest.fixture
def shop(database: Database) -> int:
    return add_depop(database)


@pytest.fixture
def registry(httpserver: HTTPServer) -> Registry:
    return depop_registry(httpserver)


@pytest.fixture
def make(database: Database, settings: Settings, registry: Registry) -> Make:
    return maker(database, settings, registry)


class TestHere:
    def test_nothing_to_do_is_none(self, make: Make, shop: int) -> None:
        assert process(make()) is None

    def test_a_job_is_claimed_journaled_and_settled_like_any_other(
        self, make: Make, database: Database, shop: int, httpserver: HTTPServer
    ) -> None:
        httpserver.expect_oneshot_request("/listings", method="POST").respond_with_json({"id": 5})

        async def publish(handler: Depop, job: Job) -> dict[str, Any]:
            created = await handler.step(
                "create", handler.call_http("POST", "/listings", json={"n": 1}), repeatable=True
            )
            wide = await handler.gather(
                handler.run_blocking(max, 1, 2),
                handler.call_http("GET", "/nothing") if False else handler.run_blocking(min, 1, 2),
            )
            await handler.sleep(0.01)
            await handler.progress(1, 2)
            now = await handler.transaction("note", _note, "kept")
            return {"success": True, "id": created["id"], "wide": wide, "note": now}

        does(publish)
        job_id = add_job(database, shop, "publish", "depop")

        done = process(make())

        assert done is not None
        assert done.pop("duration_ms") >= 0
        assert done == {
            "job_id": job_id, "marketplace": "depop", "action": "publish", "success": True,
            "result": {"success": True, "id": 5, "wide": [2, 1], "note": "kept"},
        }  # fmt: skip
        assert rows(database, TASKS) == [
            ("create", "http", "succeeded", 1), ("note", "transaction", "succeeded", 1),
        ]  # fmt: skip
        job = get_job(database, job_id)
        assert (job.fence, job.node_id, job.progress) == (
            1, None, {"current": 1, "total": 2, "message": None},
        )  # fmt: skip
        assert rows(database, NODES) == [(0,)]
        httpserver.check_assertions()

    def test_a_failure_tells_whether_it_is_tried_again(
        self, make: Make, database: Database, shop: int, httpserver: HTTPServer
    ) -> None:
        async def fail(handler: Depop, job: Job) -> None:
            raise ValueError("no such colour")

        does(fail)
        job_id = add_job(database, shop, "publish", "depop")

        done = process(make())

        assert done is not None
        assert "no such colour" in done.pop("error")
        assert done == {
            "job_id": job_id, "marketplace": "depop", "action": "publish", "success": False,
            "will_retry": True, "retry_count": 1,
        }  # fmt: skip
        set_job(
            database, job_id, {"retry_count": 3, "run_at": get_job(database, job_id).created_at}
        )
        last = process(make())
        assert last is not None
        assert (last["will_retry"], last["retry_count"]) == (False, 3)
        assert get_job(database, job_id).status == "failed"

    def test_a_rejection_ends_the_job_in_the_marketplaces_words(
        self, make: Make, database: Database, shop: int, httpserver: HTTPServer
    ) -> None:
        httpserver.expect_request("/x").respond_with_json({"error": "bad title"}, status=400)

        async def ask(handler: Depop, job: Job) -> None:
            await handler.call_http("GET", "/x")

        does(ask)
        add_job(database, shop, "publish", "depop")

        done = process(make())

        assert done is not None
        assert not done["will_retry"]
        assert "bad title" in done["error"]

    def test_a_browser_is_reached_through_a_service_only(
        self, make: Make, database: Database
    ) -> None:
        job_id = add_job(database, add_shop(database))

        done = process(make("vinted"))

        assert done == {
            "job_id": job_id, "marketplace": "vinted", "action": "sync", "success": False,
            "error": "User 7 not connected via WebSocket", "will_retry": True, "retry_count": 0,
        }  # fmt: skip
        assert process(make("vinted")) is None  # it waits a little before it is tried again

    def test_a_write_whose_outcome_is_unknown_is_looked_up(
        self, make: Make, database: Database, shop: int, httpserver: HTTPServer
    ) -> None:
        httpserver.expect_oneshot_request("/listings", method="POST").respond_with_data(status=500)
        httpserver.expect_request("/listings", method="GET").respond_with_json({"id": 8})

        async def publish(handler: Depop, job: Job) -> Any:
            return await handler.step(
                "create",
                handler.call_http("POST", "/listings", json={}),
                reconcile=lambda: handler.call_http("GET", "/listings"),
            )

        does(publish)
        add_job(database, shop, "publish", "depop")

        done = process(make())

        assert done is not None
        assert done["result"] == {"id": 8}

    def test_one_that_nobody_can_look_up_waits_for_a_person(
        self, make: Make, database: Database, shop: int, httpserver: HTTPServer
    ) -> None:
        httpserver.expect_oneshot_request("/listings", method="POST").respond_with_data(status=500)

        async def publish(handler: Depop, job: Job) -> Any:
            return await handler.step("create", handler.call_http("POST", "/listings", json={}))

        does(publish)
        job_id = add_job(database, shop, "publish", "depop")

        done = process(make())

        assert done is not None
        assert "did step 'create' take effect on depop?" in done["error"]
        assert (done["will_retry"], get_job(database, job_id).status) == (False, "paused")

    def test_a_refused_call_closes_the_shop_for_everybody(
        self, make: Make, database: Database, shop: int, httpserver: HTTPServer
    ) -> None:
        httpserver.expect_request("/x").respond_with_json(
            {"error": "slow down"}, status=429, headers={"Retry-After": "600"}
        )

        async def ask(handler: Depop, job: Job) -> None:
            await handler.call_http("GET", "/x")

        does(ask)
        add_job(database, shop, "publish", "depop")
        add_job(database, shop, "publish", "depop")
        processor = make()

        done = process(processor)

        assert done is not None
        assert (done["will_retry"], done["retry_count"]) == (True, 0)
        assert rows(database, f"SELECT kind FROM {SCHEMA}.budget_closures") == [("rate_limit",)]
        assert process(processor) is None

    def test_calls_keep_their_distance_from_job_to_job(
        self, make: Make, database: Database, shop: int, httpserver: HTTPServer
    ) -> None:
        httpserver.expect_request("/x").respond_with_json({})
        with database.session.begin() as session:
            session.execute(text("UPDATE public.marketplace_action_types SET rate_limit_ms = 1000"))
        times = []

        async def ask(handler: Depop, job: Job) -> None:
            await handler.call_http("GET", "/x")
            times.append(time.monotonic())

        does(ask)
        for _ in range(2):
            add_job(database, shop, "publish", "depop")
        processor = make()
        process(processor)
        process(processor)

        assert times[1] - times[0] >= 0.8

    def test_the_event_loop_goes_on(self, make: Make, database: Database, shop: int) -> None:
        ticks = 0
        release = threading.Event()

        async def wait(handler: Depop, job: Job) -> None:
            await handler.run_blocking(release.wait, 60)

        async def both() -> Any:
            nonlocal ticks
            task = asyncio.create_task(make().process_next_job())
            while not task.done():
                await asyncio.sleep(0.01)
                ticks += 1
                if ticks == 20:
                    release.set()
            return await task

        does(wait)
        add_job(database, shop, "publish", "depop")

        done = asyncio.run(both())

        assert done is not None
        assert done["success"]
        assert ticks >= 20

    def test_a_result_that_cannot_be_stored_fails_the_job(
        self, make: Make, database: Database, shop: int
    ) -> None:
        async def nul(handler: Depop, job: Job) -> dict[str, Any]:
            return {"title": "a\0b"}

        does(nul)
        add_job(database, shop, "publish", "depop")

        done = process(make())

        assert done is not None
        assert "cannot store" in done["error"]

    def test_what_nobody_can_run_is_named_as_the_former_system_did(
        self, make: Make, database: Database
    ) -> None:
        job_id = add_job(database, add_shop(database, "etsy"), "sync", "etsy")

        done = process(make(None))

        assert done is not None
        assert done["error"].startswith("Unknown action: sync_etsy")
        assert get_job(database, job_id).status == "pending"

    def test_a_shop_that_is_not_there_is_named(self, make: Make, shop: int) -> None:
        with pytest.raises(ShopNotFound, match="user 7 has no shop 99 on depop"):
            process(make(shop_id=99))

    def test_a_shop_can_be_named_by_the_marketplaces_id(
        self, make: Make, database: Database, shop: int
    ) -> None:
        with database.session.begin() as session:
            MarketplaceJobService(session).add_shop("depop", 7, "4321")
        mine = rows(database, f"SELECT id FROM {SCHEMA}.shops WHERE external_id = '4321'")[0][0]

        async def nothing(handler: Depop, job: Job) -> dict[str, Any]:
            return {"shop": job.shop.id}

        does(nothing)
        add_job(database, shop, "publish", "depop")
        add_job(database, mine, "publish", "depop")

        done = process(make(shop_id=4321))

        assert done is not None
        assert done["result"] == {"shop": mine}
        assert process(make(shop_id=4321)) is None


def _note(session: Any, word: str) -> str:
    session.execute(text(f"UPDATE {SCHEMA}.shops SET name = :word"), {"word": word})
    return word
