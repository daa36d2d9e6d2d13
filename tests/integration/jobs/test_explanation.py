"""Explaining jobs: what is in the way of one, as the database has it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL

from runtime import BaseJobHandler, Budgets, Limit, Marketplace
from runtime.handlers.registry import Registry
from runtime.jobs.explanation import JobExplanation, explain_job
from runtime.rate_limits import Usage
from runtime.rate_limits.closures import Closure, ClosureKind, Level, Scope
from runtime.runs.job_states import JobStatus
from runtime.storage.models import MarketplaceTask
from runtime.storage.nodes.membership import forget_nodes, mark_down, register_node
from runtime.storage.nodes.presence import record_presence
from runtime.storage.queue.budget_usage import record_usage
from runtime.storage.queue.closure_rows import close_scopes
from runtime.storage.server.engine import Database
from runtime.waiting.obstacles import ObstacleKind
from tests.support.database.job_rows import add_job, add_shop, get_job, set_job
from tests.support.processes.commands import on_database

AGING = timedelta(minutes=15)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
HANDLERS = dict.fromkeys(("sync_vinted", "update_ebay", "sync_ebay"), BaseJobHandler)
REGISTRY = Registry(
    marketplaces={
        "vinted": Marketplace("vinted", browser_bound=True),
        "ebay": Marketplace("ebay", lane_concurrency=2, budgets=Budgets(app_key=(Limit(10, DAY),))),
    },
    handlers=HANDLERS,
)


@pytest.fixture
def node(database: Database) -> int:
    """A service lives."""
    with database.session.begin() as session:
        return register_node(session)


def explained(database: Database, job_id: int, registry: Registry = REGISTRY) -> JobExplanation:
    with database.session() as session:
        return explain_job(session, job_id, registry, AGING)


def kinds(explanation: JobExplanation) -> list[ObstacleKind]:
    return [one.kind for one in explanation.obstacles]


def test_a_job_with_nothing_in_its_way_is_expected_now(database: Database, node: int) -> None:
    found = explained(database, add_job(database, add_shop(database, "ebay"), "sync", "ebay"))
    assert found.obstacles == ()
    assert found.expected is not None
    assert found.expected.start is not None
    assert abs(found.expected.start - datetime.now(UTC)) < timedelta(seconds=30)


def test_a_seller_who_is_away_is_named_with_since_when(database: Database, node: int) -> None:
    job = add_job(database, add_shop(database))
    assert explained(database, job).obstacles[0].text == "User 7 not connected via WebSocket"
    with database.session.begin() as session:
        record_presence(session, node, {7: True})
    assert explained(database, job).obstacles == ()
    with database.session.begin() as session:
        record_presence(session, node, {7: False})
    assert "(away since 20" in explained(database, job).obstacles[0].text


def test_a_seller_whose_service_died_was_seen_while_it_lived(database: Database) -> None:
    with database.session.begin() as session:
        dead = register_node(session)
        record_presence(session, dead, {7: True})
        forget_nodes(session, [dead])
        register_node(session)
    job = add_job(database, add_shop(database))
    assert "(away since 20" in explained(database, job).obstacles[0].text


def test_a_closed_node_and_a_retry_tell_the_expected_start(database: Database, node: int) -> None:
    shop = add_shop(database, "ebay")
    job = add_job(database, shop, "sync", "ebay")
    now = datetime.now(UTC)
    set_job(database, job, {"run_at": now + HOUR, "retry_count": 1})
    closed = Scope("ebay", Level.APP_KEY)
    closure = Closure(closed, ClosureKind.RATE_LIMIT, "it answered 429", now, now + 2 * HOUR)
    other = replace(closure, scope=Scope("ebay", Level.ACTION, shop, "publish"))
    with database.session.begin() as session:
        close_scopes(session, [closure, other])
    found = explained(database, job)
    assert kinds(found) == [ObstacleKind.TIME, ObstacleKind.CLOSED]
    assert found.obstacles[1].text.startswith("budget ebay app key: it answered 429 (until ")
    assert found.expected is not None
    assert found.expected.start == now + 2 * HOUR


def test_a_quota_that_is_used_up_tells_when_it_comes_back(database: Database, node: int) -> None:
    job = add_job(database, add_shop(database, "ebay"), "sync", "ebay")
    began = datetime.now(UTC) - HOUR
    bucket = DAY / 240
    start = datetime.fromtimestamp(began.timestamp() // bucket.total_seconds() * 360, UTC)
    with database.session.begin() as session:
        record_usage(session, [Usage(Scope("ebay", Level.APP_KEY), DAY, start, 10)])
    found = explained(database, job)
    assert kinds(found) == [ObstacleKind.USED_UP]
    assert found.expected is not None
    assert found.expected.start is not None
    assert found.expected.start > datetime.now(UTC) + 22 * HOUR


def test_what_comes_first_in_its_lane_is_named(database: Database, node: int) -> None:
    shop = add_shop(database, "ebay")
    running = [add_job(database, shop, "sync", "ebay") for _ in range(2)]
    for one in running:
        set_job(database, one, {"status": "running", "node_id": node, "fence": 1})
    product = {"product": {"sku": "A", "title": "T", "price": "5"}}
    first = add_job(database, shop, "sync", "ebay", input_data=product)
    more = [add_job(database, shop, "sync", "ebay", priority=1) for _ in range(3)]
    job = add_job(database, shop, "sync", "ebay", input_data=product)
    found = explained(database, job)
    assert [one.text for one in found.obstacles] == [
        f"job {first} (sync, pending) of the same product comes first",
        f"lane busy with job {running[0]} (sync, running), job {running[1]} (sync, running)",
        "priority: 4 jobs of its lane before it",
    ]
    assert str(found.expected).startswith(f"unknown, because job {first} ")
    assert len(more) == 3


def test_a_marketplace_whose_places_are_taken_everywhere_is_in_the_way(
    database: Database, node: int
) -> None:
    full = replace(REGISTRY, marketplaces={"ebay": Marketplace("ebay", concurrency=1)})
    running = add_job(database, add_shop(database, "ebay"), "sync", "ebay")
    set_job(database, running, {"status": "running", "node_id": node, "fence": 1})
    job = add_job(database, add_shop(database, "ebay", 8), "sync", "ebay")
    assert kinds(explained(database, job, full)) == [ObstacleKind.PLACES_TAKEN]
    with database.session.begin() as session:
        other = register_node(session)
    assert explained(database, job, full).obstacles == ()
    with database.session.begin() as session:
        mark_down(session, other, {"ebay": "it failed too often"})
    assert kinds(explained(database, job, full)) == [ObstacleKind.PLACES_TAKEN]


def test_a_job_that_nobody_can_run_says_so(database: Database) -> None:
    job = add_job(database, add_shop(database, "ebay"), "sync", "ebay")
    assert kinds(explained(database, job)) == [ObstacleKind.NO_SERVICE]
    with database.session.begin() as session:
        register_node(session)
    nobody = replace(REGISTRY, handlers={})
    assert kinds(explained(database, job, nobody)) == [ObstacleKind.NO_HANDLER]


def test_a_paused_job_asks_its_question(database: Database, node: int) -> None:
    job = add_job(database, add_shop(database))
    set_job(database, job, {"status": "paused", "waiting_reason": "did it happen?"})
    found = explained(database, job)
    assert [one.text for one in found.obstacles] == ["did it happen?"]
    assert str(found.expected) == "unknown, because did it happen?"


def test_of_a_job_that_ran_it_is_told_where_its_time_went(database: Database) -> None:
    job = add_job(database, add_shop(database))
    created = get_job(database, job).created_at
    second = timedelta(seconds=1)
    with database.session.begin() as session:
        session.add(
            MarketplaceTask(
                job_id=job, name="page-1", status="succeeded", fence=1,
                created_at=created + 2 * second, completed_at=created + 5 * second,
            )
        )  # fmt: skip
    ended = {
        "status": JobStatus.COMPLETED,
        "started_at": created + second,
        "completed_at": created + 6 * second,
    }
    set_job(database, job, ended)
    found = explained(database, job)
    assert found.expected is None
    assert [(one.what, one.duration.total_seconds()) for one in found.spent] == [
        ("waited to start", 1.0),
        ("step page-1 (succeeded)", 3.0),
        ("between its steps", 2.0),
    ]


def test_a_marketplace_that_every_service_marked_down_is_in_the_way(
    database: Database, node: int
) -> None:
    job = add_job(database, add_shop(database, "ebay"), "sync", "ebay")
    with database.session.begin() as session:
        mark_down(session, node, {"ebay": "KeyError('x')", "vinted": "KeyError('y')"})
        other = register_node(session)
    assert explained(database, job).obstacles == (), "the other one serves it"
    with database.session.begin() as session:
        mark_down(session, other, {"ebay": "KeyError('z')"})
    found = explained(database, job)
    assert kinds(found) == [ObstacleKind.DOWN]
    assert str(found.expected) == ("unknown, because its marketplace is marked down: KeyError('x')")
    with database.session.begin() as session:
        mark_down(session, other, {})
    assert explained(database, job).obstacles == ()


def test_the_command_explains(database: Database, database_url: URL, tmp_path: Path) -> None:
    job = add_job(database, add_shop(database))
    cli = on_database(tmp_path, database_url)
    shown = cli.run("jobs", "explain", str(job))
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[:2] == [
        f"job {job} (sync on vinted) is pending",
        "- no service is running: start `python run.py serve`",
    ]
    view = json.loads(cli.run("jobs", "explain", str(job), "--json").stdout)
    assert [one["kind"] for one in view["obstacles"]] == ["no_service", "seller_away"]
    assert view["expected_start"] is None
    assert cli.run("jobs", "explain", "999", check=False).returncode == 1


def test_a_withdrawn_job_names_the_one_that_made_it_needless(
    database: Database, database_url: URL, tmp_path: Path
) -> None:
    shop = add_shop(database)
    older, newer = add_job(database, shop), add_job(database, shop)
    set_job(database, older, {"status": "cancelled", "superseded_by": newer})
    cli = on_database(tmp_path, database_url)
    assert f"- job {newer} makes it needless" in cli.run("jobs", "explain", str(older)).stdout
    assert cli.json("jobs", "explain", str(older))["superseded_by"] == newer
