"""Limits against the real service: a server measures when calls arrive."""

import re
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from runtime import ActionType, BaseJobHandler, Budgets, Job, Limit, Marketplace
from runtime.process.config import Settings
from runtime.storage.server.engine import Database
from tests.support.attempts import holds_in_some_attempt
from tests.support.database.job_rows import add_job, add_shop
from tests.support.processes.running_node import registry_of, running_node

SHOPS = 4
CALLS = 15
PER_SECOND = 20
WINDOW = 0.5
LIMIT = Limit(int(PER_SECOND * WINDOW), timedelta(seconds=WINDOW))
NOISE = 0.1
"""Seconds by which two arrivals may be measured closer than they left."""
RETRY_AFTER = 1
"""Seconds for which the server asks to be left alone."""

FETCH = ActionType("fetch", "Fetch", rate_limit=timedelta(0))


class Fetch(BaseJobHandler):
    """Reads as fast as it may."""

    async def execute(self, job: Job) -> dict[str, Any]:
        for number in range(CALLS):
            await self.call_http("GET", f"/items/{job.shop.id}/{number}")
        return {}


class Measuring:
    """Notes when each call arrived, and may refuse one of them."""

    def __init__(self) -> None:
        self.arrived: list[float] = []
        self.refuse_at: int | None = None
        self.refused_at: float | None = None
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Begin anew."""
        self.arrived.clear()
        self.refuse_at = self.refused_at = None

    def __call__(self, request: Request) -> Response:
        now = time.monotonic()
        with self._lock:
            self.arrived.append(now)
            if len(self.arrived) == self.refuse_at:
                self.refused_at = now
                return Response("too many", 429, {"Retry-After": str(RETRY_AFTER)})
        return Response("{}", 200, content_type="application/json")


@pytest.fixture
def measuring(httpserver: HTTPServer) -> Measuring:
    handler = Measuring()
    httpserver.expect_request(re.compile("/items/.*")).respond_with_handler(handler)
    return handler


def fetch_from_all(
    settings: Settings, database: Database, httpserver: HTTPServer, budgets: Budgets
) -> list[str]:
    """Let each shop's job fetch; returns how they ended."""
    marketplace = Marketplace(
        "example", base_url=httpserver.url_for(""), action_types=(FETCH,), budgets=budgets
    )
    registry = registry_of(marketplace, handlers={("fetch", "example"): Fetch})
    with running_node(settings, database, registry) as scene:
        shops = [add_shop(database, "example", user) for user in range(1, 1 + SHOPS)]
        jobs = [add_job(database, shop, "fetch", "example") for shop in shops]
        ended = [scene.ended(job) for job in jobs]
        assert scene.marketplace("example").incarnation == 1
    return [job.status for job in ended]


def overdrawn(arrived: list[float]) -> list[float]:
    """By how much windows of the limit's length hold too much, in seconds beyond the noise."""
    beyond = zip(arrived, arrived[LIMIT.count :], strict=False)
    return [WINDOW - (b - a) for a, b in beyond if b - a < WINDOW - NOISE]


def test_several_shops_share_the_pace_of_the_app_key(
    settings: Settings, database: Database, httpserver: HTTPServer, measuring: Measuring
) -> None:
    def measure() -> None:
        measuring.forget()
        ended = fetch_from_all(settings, database, httpserver, Budgets(app_key=(LIMIT,)))
        assert ended == ["completed"] * SHOPS
        arrived = sorted(measuring.arrived)
        assert len(arrived) == SHOPS * CALLS
        assert not overdrawn(arrived)
        # A busy machine uses less than it may; an idle one wastes nothing, as the properties of
        # the budgets promise on a clock that the test moves.
        pace = (len(arrived) - 1) / (arrived[-1] - arrived[0])
        assert pace > PER_SECOND / 2

    holds_in_some_attempt(measure)


def test_a_refusal_stops_all_of_them_for_its_time_and_no_longer(
    settings: Settings, database: Database, httpserver: HTTPServer, measuring: Measuring
) -> None:
    def measure() -> None:
        measuring.forget()
        measuring.refuse_at = 20
        ended = fetch_from_all(settings, database, httpserver, Budgets(app_key=(LIMIT,)))
        assert ended == ["completed"] * SHOPS
        arrived = sorted(measuring.arrived)
        assert not overdrawn(arrived)
        assert measuring.refused_at is not None
        since = [at - measuring.refused_at for at in arrived if at > measuring.refused_at]
        early = [seconds for seconds in since if seconds < RETRY_AFTER - NOISE]
        assert len(early) < SHOPS, "only what was under way then"
        assert since[len(early)] < RETRY_AFTER + 1, "a closure for longer is not what it asked for"

    holds_in_some_attempt(measure)
