"""`run.py jobs` as a process: what it prints where, and how it exits."""

import json
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, text

from runtime.jobs.service import MarketplaceJobService
from runtime.storage.models import MarketplaceJob
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_product
from tests.support.deadline import wait_until
from tests.support.processes.commands import PATIENCE_SECONDS, on_database, refused, running
from tests.support.processes.service_process import Installation

SURFACE = {
    "id", "marketplace", "action", "status", "priority", "retry_count", "result", "error",
    "waiting_reason", "created_at", "started_at", "completed_at", "user_id", "shop_id",
    "product_id", "input", "progress", "run_at", "max_retries", "failed_step",
    "cancel_requested", "idempotency_key",
}  # fmt: skip


@pytest.fixture
def cli(tmp_path: Path, database_url: URL) -> Installation:
    """Commands on the test's own database."""
    return on_database(tmp_path, database_url)


@pytest.fixture
def shop(database: Database) -> int:
    """Seller 7 with one shop."""
    with database.session.begin() as session:
        return MarketplaceJobService(session).add_shop("vinted", 7, "123", "Closet").id


@pytest.fixture
def service_row(database: Database) -> int:
    """The row that a living service has in the tables; its id."""
    insert = (
        "INSERT INTO marketplace_runtime.runtime_nodes (hostname, pid, heartbeat_at) "
        "VALUES ('elsewhere', 1, now() + interval '1 hour') RETURNING id"
    )
    with database.session.begin() as session:
        return int(session.execute(text(insert)).scalar_one())


def act(database: Database, job_id: int, *changes: Callable[..., Any]) -> None:
    """Do to a job what a service would."""
    with database.session.begin() as session:
        for change in changes:
            change(MarketplaceJobService(session), job_id)


def test_the_way_of_a_job_through_the_commands(
    cli: Installation, database: Database, shop: int
) -> None:
    product = add_product(database, "A")
    created = cli.json(
        *("jobs", "create", "vinted", "sync", "--user", "7", "--shop", str(shop)),
        *("--priority", "2", "--input", '{"per_page": 20}', "--key", "k", "--product", "A"),
    )
    assert created.keys() >= SURFACE
    job_id = created["id"]
    expected = {
        "marketplace": "vinted", "action": "sync", "status": "pending", "priority": 2,
        "user_id": 7, "shop_id": shop, "product_id": product, "input": {"per_page": 20},
        "idempotency_key": "k", "retry_count": 0, "max_retries": 3, "result": None,
        "cancel_requested": False,
        "waiting_reason": "no service is running: start `python run.py serve`",
    }  # fmt: skip
    assert {name: created[name] for name in expected} == expected
    assert datetime.fromisoformat(created["created_at"]).utcoffset() == timedelta(0)
    assert cli.json("jobs", "show", str(job_id)) == {**created, "steps": []}

    assert cli.json("jobs", "cancel", str(job_id))["status"] == "cancelled"
    assert "cancelled" in refused(cli.run("jobs", "cancel", str(job_id), check=False))
    assert cli.json("jobs", "retry", str(job_id))["status"] == "pending"
    act(database, job_id, MarketplaceJobService.start_job)
    asked = cli.json("jobs", "cancel", str(job_id))
    assert (asked["status"], asked["cancel_requested"]) == ("running", True)
    act(database, job_id, lambda service, id_: service.complete_job(id_, {"imported": 3}))
    waited = cli.json("jobs", "wait", str(job_id))
    assert (waited["status"], waited["result"]) == ("completed", {"imported": 3})
    assert waited["waiting_reason"] is None


def test_a_list_is_filtered_and_newest_first(
    cli: Installation, database: Database, shop: int
) -> None:
    with database.session.begin() as session:
        service = MarketplaceJobService(session)
        ids = [service.create_job("vinted", "sync").id for _ in range(3)]
        service.cancel_job(ids[0])
    assert [job["id"] for job in cli.json("jobs", "list")] == ids[::-1]
    assert [job["id"] for job in cli.json("jobs", "list", "--limit", "1")] == [ids[2]]
    assert [job["id"] for job in cli.json("jobs", "list", "--status", "cancelled")] == [ids[0]]
    assert cli.json("jobs", "list", "--marketplace", "ebay") == []
    printed = cli.run("jobs", "list").stdout.splitlines()
    assert printed[0].split()[:3] == ["id", "marketplace", "action"]
    assert len(printed) == 4


def test_a_key_given_twice_shows_the_first_job(cli: Installation, shop: int) -> None:
    arguments = ("jobs", "create", "vinted", "sync", "--key", "k")
    assert cli.json(*arguments)["id"] == cli.json(*arguments, "--priority", "1")["id"]
    line = refused(cli.run("jobs", "create", "vinted", "orders", "--key", "k", check=False))
    assert "'k'" in line


@pytest.mark.parametrize(
    ("at", "moment"),
    [
        ("2030-01-09T18:00", "2030-01-09T17:00:00+00:00"),
        ("2030-01-09T18:00Z", "2030-01-09T18:00:00+00:00"),
        ("2030-01-09T18:00+05:00", "2030-01-09T13:00:00+00:00"),
    ],
)
def test_a_time_without_a_zone_is_local(
    cli: Installation, shop: int, service_row: int, at: str, moment: str
) -> None:
    cli.environment["TZ"] = "Europe/Paris"
    created = cli.json("jobs", "create", "vinted", "sync", "--at", at)
    assert created["run_at"] == moment
    assert created["waiting_reason"] == f"scheduled for {moment}"


def test_a_job_whose_seller_is_away_says_so(
    cli: Installation, database: Database, shop: int, service_row: int
) -> None:
    away = "User 7 not connected via WebSocket"
    assert cli.json("jobs", "create", "vinted", "sync")["waiting_reason"] == away
    assert away in cli.run("jobs", "list").stdout
    present = "INSERT INTO marketplace_runtime.browser_presence (user_id, node_id) VALUES (7, :id)"
    with database.session.begin() as session:
        session.execute(text(present), {"id": service_row})
    assert cli.json("jobs", "list")[0]["waiting_reason"] == "waiting for its turn"


def test_waiting_ends_with_the_job_and_says_how(
    cli: Installation, database: Database, shop: int
) -> None:
    arguments = ("jobs", "create", "vinted", "sync", "--wait", "--json")
    with (
        running(*cli.command, *arguments, env=cli.environment) as waiting,
        database.session() as session,
    ):
        service = MarketplaceJobService(session)

        def created() -> MarketplaceJob | None:
            session.rollback()
            return service.get_next_pending_job("vinted")

        job = wait_until(created, PATIENCE_SECONDS)
        assert job is not None
        service.start_job(job.id)
        service.fail_job(job.id, "no such wardrobe")
        session.commit()
        out, err = waiting.communicate(timeout=PATIENCE_SECONDS)
    assert (waiting.returncode, err) == (3, "")
    assert (json.loads(out)["status"], json.loads(out)["error"]) == ("failed", "no such wardrobe")


def test_waiting_has_an_end(cli: Installation, shop: int) -> None:
    job_id = str(cli.json("jobs", "create", "vinted", "sync")["id"])
    line = refused(cli.run("jobs", "wait", job_id, "--timeout", "0.1", check=False))
    assert f"job {job_id} is still pending" in line


def test_an_interrupted_command_says_so_in_one_line(
    cli: Installation, database: Database, shop: int
) -> None:
    job_id = cli.json("jobs", "create", "vinted", "sync")["id"]
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    database.engine.dispose()
    with (
        running(*cli.command, "jobs", "wait", str(job_id), env=cli.environment) as waiting,
        database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        wait_until(lambda: connection.execute(others).scalar_one(), PATIENCE_SECONDS)
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=PATIENCE_SECONDS)
    assert (waiting.returncode, out, err) == (130, "", "error: interrupted\n")
