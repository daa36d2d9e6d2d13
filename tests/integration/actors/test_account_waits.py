"""An account in trouble, and a pause of it: its jobs wait for free, and go on when it is open."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from runtime import ActionType, BaseJobHandler, Job, Marketplace
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.storage.queue.closure_rows import closures_of
from runtime.storage.schema.plugin_action_types import ensure_action_types
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job
from tests.support.deadline import wait_until
from tests.support.processes.running_node import registry_of, running_node


class Look(BaseJobHandler):
    async def execute(self, job: Job) -> dict[str, Any]:
        for _ in range(3):
            await self.call_http("GET", "/look")
        return {"success": True}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(Response("log in", 401), "needs_auth"), (Response("captcha, please", 403), "needs_user")],
)
def test_trouble(
    settings: Settings, database: Database, answer: Response, kind: str, httpserver: HTTPServer
) -> None:
    good = threading.Event()
    httpserver.expect_request("/look").respond_with_handler(
        lambda _request: Response("{}", 200) if good.is_set() else answer
    )
    registry = registry_of(
        Marketplace(
            "ebay",
            base_url=httpserver.url_for("/"),
            action_types=(ActionType("look", "Look", rate_limit=timedelta(0)),),
        ),
        handlers={("look", "ebay"): Look},
    )
    with database.session.begin() as session:
        ensure_action_types(session, registry.action_types)
    shop = add_shop(database, "ebay")
    with running_node(settings, database, registry) as scene:
        job = add_job(database, shop, "look", "ebay")
        wait_until(lambda: get_job(database, job).snooze_count == 1)
        with database.session() as session:
            assert [one.kind for one in closures_of(session)] == [kind]
        waits = get_job(database, job)
        assert (waits.status, waits.retry_count) == ("pending", 0)
        assert "shops resume" in (waits.waiting_reason or "")
        good.set()
        with database.session.begin() as session:
            MarketplaceJobService(session).resume_shop(shop)
        ended = scene.ended(job)
        assert (ended.status, ended.snooze_count) == ("completed", 1)


def test_pause_of_a_running_shop(
    settings: Settings, database: Database, httpserver: HTTPServer
) -> None:
    first, go_on = threading.Event(), threading.Event()
    seen = []

    def answer(_request: Request) -> Response:
        seen.append(1)
        first.set()
        go_on.wait(60)
        return Response("{}", 200)

    httpserver.expect_request("/look").respond_with_handler(answer)
    registry = registry_of(
        Marketplace(
            "ebay",
            base_url=httpserver.url_for("/"),
            action_types=(ActionType("look", "Look", rate_limit=timedelta(0)),),
        ),
        handlers={("look", "ebay"): Look},
    )
    with database.session.begin() as session:
        ensure_action_types(session, registry.action_types)
    shop = add_shop(database, "ebay")
    with running_node(settings, database, registry) as scene:
        job = add_job(database, shop, "look", "ebay")
        assert first.wait(60)
        with database.session.begin() as session:
            MarketplaceJobService(session).pause_shop(shop)
        wait_until(lambda: scene.marketplace("ebay")._lanes._closed_shops)
        go_on.set()
        wait_until(lambda: get_job(database, job).snooze_count == 1)
        assert len(seen) == 1
        with database.session.begin() as session:
            MarketplaceJobService(session).resume_shop(shop)
        ended = scene.ended(job)
        assert (ended.status, ended.retry_count) == ("completed", 0)
