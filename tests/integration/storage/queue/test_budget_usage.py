"""The usage that counted windows keep in the database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from runtime import ActionType, BaseJobHandler, Budgets, Job, Level, Limit, Marketplace
from runtime.process.config import Settings
from runtime.rate_limits import Usage
from runtime.rate_limits.closures import Scope
from runtime.storage.queue.budget_usage import load_usage, prune_usage, record_usage
from runtime.storage.queue.closure_rows import closures_of
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job
from tests.support.deadline import wait_until
from tests.support.processes.running_node import registry_of, running_node

DAY = timedelta(days=1)
NODES = [
    Scope("etsy", Level.MARKETPLACE),
    Scope("etsy", Level.APP_KEY),
    Scope("etsy", Level.SHOP, 3),
    Scope("etsy", Level.ACTION, 3, "sync_orders"),
]


def write(database: Database, *usage: Usage) -> None:
    with database.session.begin() as session:
        record_usage(session, usage)


def loaded(database: Database, marketplace: str = "etsy") -> set[Usage]:
    with database.session.begin() as session:
        return set(load_usage(session, marketplace))


def hours_ago(hours: int) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


def test_usage_comes_back_as_it_was_written(database: Database) -> None:
    usage = [Usage(node, DAY, hours_ago(1), number) for number, node in enumerate(NODES, 1)]
    write(database, *usage)
    assert loaded(database) == set(usage)
    assert loaded(database, "ebay") == set()


@pytest.mark.parametrize("counts", [(3, 5), (5, 3)])
def test_of_two_words_about_a_bucket_the_larger_counts(
    database: Database, counts: tuple[int, ...]
) -> None:
    start = hours_ago(1)
    for count in counts:
        write(database, Usage(NODES[1], DAY, start, count))
    assert loaded(database) == {Usage(NODES[1], DAY, start, 5)}


def test_what_counts_no_more_is_removed(database: Database) -> None:
    old, young = (Usage(NODES[1], DAY, hours_ago(hours), 1) for hours in (49, 47))
    write(database, old, young)
    assert loaded(database) == {young}
    with database.session.begin() as session:
        assert prune_usage(session) == 1
        assert prune_usage(session) == 0


class Fetch(BaseJobHandler):
    """One call."""

    async def execute(self, job: Job) -> Any:
        return await self.call_http("GET", "/item")


def test_a_restart_does_not_forget_what_was_used(
    settings: Settings, database: Database, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/item").respond_with_json({})
    marketplace = Marketplace(
        "example",
        base_url=httpserver.url_for(""),
        action_types=(ActionType("fetch", "Fetch", rate_limit=timedelta(0)),),
        budgets=Budgets(app_key=(Limit(2, DAY),)),
    )
    registry = registry_of(marketplace, handlers={("fetch", "example"): Fetch})
    shop = None
    for _ in range(2):
        with running_node(settings, database, registry) as scene:
            shop = shop or add_shop(database, "example")
            assert scene.ended(add_job(database, shop, "fetch", "example")).status == "completed"
    assert shop is not None
    with running_node(settings, database, registry):
        third = add_job(database, shop, "fetch", "example")
        wait_until(lambda: get_job(database, third).snooze_count)
    job = get_job(database, third)
    assert len(httpserver.log) == 2
    assert (job.status, job.retry_count) == ("pending", 0)
    assert "budget 'example app key' is closed until" in (job.waiting_reason or "")
    assert "2 calls per 86,400 s is used up" in (job.waiting_reason or "")
    with database.session() as session:
        (closure,) = closures_of(session, ["example"])
    assert closure.scope == Scope("example", Level.APP_KEY)
    assert closure.until is not None
    assert timedelta(hours=23) < closure.until - datetime.now(UTC) < timedelta(hours=25)
