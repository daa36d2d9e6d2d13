"""MarketplaceJobProcessor beside a service, and when its own process dies."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import text

from plugins.vinted.processor import VintedJobProcessor
from runtime import Job
from runtime.errors import JobNotFound
from runtime.handlers.registry import Registry
from runtime.inline import processor
from runtime.inline.driver_factory import inline_driver
from runtime.jobs import completion
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.storage.models import SCHEMA
from runtime.storage.server.engine import Database
from tests.support.checkout import CHECKOUT
from tests.support.database.job_rows import add_job, add_shop, get_job
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
from tests.support.processes.running_node import running_node


@pytest.fixture
def shop(database: Database) -> int:
    return add_depop(database)


@pytest.fixture
def registry(httpserver: HTTPServer) -> Registry:
    return depop_registry(httpserver)


@pytest.fixture
def make(database: Database, settings: Settings, registry: Registry) -> Make:
    return maker(database, settings, registry)


def once_it_waits(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Do this as soon as the processor has seen that the job is not over yet."""
    watch = completion.watch

    def watch_and_act(read: Callable[[], Any], over: Callable[[Any], bool], *more: Any) -> Any:
        seen: list[Any] = []

        def read_and_act() -> Any:
            value = read()
            if not seen and not over(value):
                seen.append(value)
                act()
            return value

        return watch(read_and_act, over, *more)

    monkeypatch.setattr(completion, "watch", watch_and_act)


DYING = """
import asyncio, sys
sys.path.insert(0, {checkout!r})
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from runtime import BaseJobHandler, Marketplace
from runtime.process.config import load_settings
from runtime.inline.processor import MarketplaceJobProcessor
from tests.support.processes.running_node import registry_of

class Publish(BaseJobHandler):
    async def execute(self, job):
        made = await self.step("create", self.call_http("POST", "/listings", json={{}}))
        return made

registry = registry_of(Marketplace("depop", base_url={url!r}),
                       handlers={{("publish", "depop"): Publish}})
session = Session(create_engine(load_settings().database_url.get_secret_value()))
processor = MarketplaceJobProcessor(session, 7, marketplace="depop", registry=registry)
print(asyncio.run(processor.process_next_job()))
"""


@pytest.mark.parametrize("fault", ["record.after_commit@1", "settle.before_commit@1"])
def test_one_that_dies_is_rescued_and_does_nothing_twice(
    fault: str, make: Make, database: Database, settings: Settings, shop: int,
    httpserver: HTTPServer,
) -> None:  # fmt: skip
    httpserver.expect_oneshot_request("/listings", method="POST").respond_with_json({"id": 5})
    job_id = add_job(database, shop, "publish", "depop")
    assert settings.database_url is not None
    environment = {
        **os.environ,
        "RUNTIME_DATABASE_URL": settings.database_url.get_secret_value(),
        "RUNTIME_DATA_DIR": str(settings.data_dir),
        "RUNTIME_FAULT": fault,
    }
    script = DYING.format(checkout=str(CHECKOUT), url=httpserver.url_for(""))
    died = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=CHECKOUT, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert get_job(database, job_id).status == "running"

    async def publish(handler: Depop, job: Job) -> Any:
        return await handler.step("create", handler.call_http("POST", "/listings", json={}))

    does(publish)
    with database.session.begin() as session:
        session.execute(
            text(f"UPDATE {SCHEMA}.runtime_nodes SET heartbeat_at = now() - interval '1 minute'")
        )
    add_job(database, shop, "sync", "depop", priority=4)
    done = process(make())

    # The rescued one comes first, because it is more urgent.
    assert done is not None
    assert (done["job_id"], done["result"]) == (job_id, {"id": 5})
    httpserver.check_assertions()


class TestByAService:
    def test_it_commits_and_waits_for_the_settlement(
        self, make: Make, database: Database, settings: Settings, registry: Registry, shop: int
    ) -> None:
        async def slowly(handler: Depop, job: Job) -> dict[str, Any]:
            await handler.sleep(0.3)
            return {"by": await handler.run_blocking(lambda: threading.current_thread().name)}

        does(slowly)
        with running_node(settings, database, registry):
            asked = make()
            service = MarketplaceJobService(asked._session)
            job = service.create_job("depop", "publish", user_id=7)
            job_id = job.id

            done = process(asked)

        assert done is not None
        assert done.pop("duration_ms") >= 300
        assert done["job_id"] == job_id
        assert done["result"]["by"].startswith("worker")

    def test_a_job_that_runs_already_is_waited_for(
        self,
        monkeypatch: pytest.MonkeyPatch,
        make: Make,
        database: Database,
        settings: Settings,
        registry: Registry,
        shop: int,
    ) -> None:
        release = threading.Event()

        async def wait(handler: Depop, job: Job) -> None:
            await handler.run_blocking(release.wait, 60)

        does(wait)
        with running_node(settings, database, registry) as scene:
            job_id = add_job(database, shop, "publish", "depop")
            scene.reaches(job_id, "running")
            once_it_waits(monkeypatch, release.set)

            done = process(make())

            assert done is not None
            assert (done["job_id"], done["success"]) == (job_id, True)
            assert process(make()) is None

    def test_an_attempt_that_failed_is_told_although_another_follows(
        self, make: Make, database: Database, settings: Settings, registry: Registry, shop: int
    ) -> None:
        async def fail(handler: Depop, job: Job) -> None:
            raise ValueError("no such colour")

        does(fail)
        with running_node(settings, database, registry):
            add_job(database, shop, "publish", "depop", run_at=None)

            done = process(make())

        assert done is not None
        assert (done["will_retry"], done["retry_count"] >= 1) == (True, True)

    def test_a_seller_who_is_away_is_told_in_the_words_that_are_known(
        self, make: Make, database: Database, settings: Settings, registry: Registry
    ) -> None:
        job_id = add_job(database, add_shop(database))
        with running_node(settings, database, registry):
            done = process(make("vinted"))

        assert done == {
            "job_id": job_id, "marketplace": "vinted", "action": "sync", "success": False,
            "error": "User 7 not connected via WebSocket", "will_retry": True, "retry_count": 0,
        }  # fmt: skip

    def test_a_job_that_is_removed_while_it_is_waited_for_is_named(
        self,
        monkeypatch: pytest.MonkeyPatch,
        make: Make,
        database: Database,
        settings: Settings,
        registry: Registry,
    ) -> None:
        """As `import-former --undo` does."""
        monkeypatch.setattr(processor, "PRESENCE_PATIENCE_SECONDS", 60)
        job_id = add_job(database, add_shop(database))
        remove = f"DELETE FROM {SCHEMA}.marketplace_jobs"
        with running_node(settings, database, registry):
            once_it_waits(monkeypatch, lambda: run(database, remove))

            with pytest.raises(JobNotFound, match=f"job {job_id}"):
                process(make("vinted"))

    def test_a_closed_shop_has_nothing_that_can_run(
        self, make: Make, database: Database, settings: Settings, registry: Registry, shop: int
    ) -> None:
        with database.session.begin() as session:
            MarketplaceJobService(session).pause_shop(shop)
        add_job(database, shop, "publish", "depop")

        assert process(make()) is None
        with running_node(settings, database, registry):
            assert process(make()) is None

    def test_another_process_that_runs_one_job_is_no_service(
        self, make: Make, database: Database, shop: int
    ) -> None:
        release = threading.Event()
        begun = threading.Event()

        async def first_waits(handler: Depop, job: Job) -> None:
            if job.action == "publish":
                begun.set()
                await handler.run_blocking(release.wait, 60)

        does(first_waits)
        add_job(database, shop, "publish", "depop")
        first = threading.Thread(target=lambda: process(make()))
        first.start()
        assert begun.wait(60)
        second = add_job(database, shop, "sync", "depop")

        done = process(make())

        assert first.is_alive()
        release.set()
        first.join()
        assert done is not None
        assert (done["job_id"], done["success"]) == (second, True)


class TestFormerName:
    def test_it_warns_and_works(
        self, database: Database, settings: Settings, registry: Registry
    ) -> None:
        job_id = add_job(database, add_shop(database))
        driver = partial(inline_driver, settings=settings)

        with database.session() as session, pytest.warns(DeprecationWarning, match="Marketplace"):
            former = VintedJobProcessor(session, user_id=7, registry=registry, make_driver=driver)
        done = process(former)

        assert done is not None
        assert done["job_id"] == job_id
