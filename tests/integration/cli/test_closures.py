"""`run.py shops|marketplaces pause|resume|list`: what is closed, and why a job waits for it."""

import json
from pathlib import Path

import pytest
from sqlalchemy import URL

from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop
from tests.support.processes.commands import on_database
from tests.support.processes.service_process import Installation


@pytest.fixture
def cli(tmp_path: Path, database_url: URL) -> Installation:
    """Commands on the test's own database."""
    return on_database(tmp_path, database_url)


@pytest.fixture
def shop(database: Database) -> int:
    return add_shop(database)


def test_a_shop_is_paused_shown_and_resumed(cli: Installation, shop: int) -> None:
    said = cli.run("shops", "pause", str(shop), "--reason", "holidays", "--for", "2h").stdout
    assert said.startswith(f"closed shop {shop}: paused by an operator: holidays (until ")
    assert "holidays" in cli.run("shops", "list").stdout
    (view,) = cli.json("shops", "list")
    (closure,) = view["closures"]
    assert closure["until"] is not None
    expected = {
        "marketplace": "vinted", "level": "shop", "shop_id": shop, "action": None,
        "kind": "paused", "reason": "paused by an operator: holidays",
    }  # fmt: skip
    assert {name: closure[name] for name in expected} == expected
    assert cli.json("shops", "resume", str(shop)) == [closure]
    assert cli.run("shops", "resume", str(shop)).stdout == f"shop {shop} was not closed\n"


def test_a_marketplace_is_paused_shown_and_resumed(
    cli: Installation, database: Database, shop: int
) -> None:
    add_job(database, shop)
    assert cli.json("marketplaces", "pause", "vinted")["level"] == "marketplace"
    cli.run("shops", "pause", str(shop))
    views = {view["marketplace"]: view for view in cli.json("marketplaces", "list")}
    vinted = views["vinted"]
    assert "sync_vinted" in vinted["handlers"]
    assert (vinted["browser_bound"], vinted["pending"], vinted["running"]) == (True, 1, 0)
    assert [one["kind"] for one in vinted["closures"]] == ["paused"]
    assert vinted["closed_shops"] == 1
    assert views["ebay"]["closures"] == []
    assert "paused by an operator" in cli.run("marketplaces", "list").stdout
    said = cli.run("marketplaces", "resume", "vinted").stdout
    assert said.startswith("opened vinted: paused by an operator (since ")


def test_a_job_says_that_it_waits_for_what_is_closed(
    cli: Installation, database: Database, shop: int
) -> None:
    job_id = add_job(database, shop)
    cli.run("shops", "pause", str(shop), "--reason", "holidays")
    with database.session.begin() as session:
        session.connection().exec_driver_sql(
            "INSERT INTO marketplace_runtime.runtime_nodes (hostname, pid, heartbeat_at) "
            "VALUES ('elsewhere', 1, now() + interval '1 hour')"
        )
    waits_for = json.loads(cli.run("jobs", "show", str(job_id), "--json").stdout)["waiting_reason"]
    assert waits_for.startswith(f"shop {shop}: paused by an operator: holidays (since ")
