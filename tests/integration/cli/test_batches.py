"""`run.py batches` as a process."""

from pathlib import Path

import pytest
from sqlalchemy import URL

from runtime.jobs.service import MarketplaceJobService
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_shop, set_job
from tests.support.database.product_rows import add_products
from tests.support.processes.commands import on_database, refused
from tests.support.processes.service_process import Installation

SURFACE = {
    "id", "marketplace", "action", "status", "total", "pending", "running", "paused", "completed",
    "failed", "cancelled", "expired", "superseded", "progress_percent", "priority", "user_id",
    "cancel_requested", "created_at", "completed_at",
}  # fmt: skip


@pytest.fixture
def cli(tmp_path: Path, database_url: URL) -> Installation:
    """Commands on the test's own database."""
    return on_database(tmp_path, database_url)


@pytest.fixture
def products(database: Database) -> list[str]:
    """A shop of seller 7, and three products."""
    add_shop(database)
    return [str(one) for one in add_products(database, 3)]


def test_the_way_of_a_batch_through_the_commands(
    cli: Installation, database: Database, products: list[str]
) -> None:
    made = cli.json("batches", "create", "vinted", "publish", *products, "--priority", "2")
    assert made.keys() == SURFACE
    assert (made["status"], made["total"], made["pending"]) == ("pending", 3, 3)
    number = str(made["id"])
    assert cli.json("batches", "show", number) == made
    assert cli.json("batches", "list") == [made]

    jobs = cli.json("jobs", "list", "--batch", number)
    assert [str(job["product_id"]) for job in jobs] == products[::-1]
    for job, end in zip(jobs[:2], ("complete_job", "fail_job"), strict=True):
        set_job(database, job["id"], {"status": "running"})
        with database.session.begin() as session:
            getattr(MarketplaceJobService(session), end)(job["id"], "no")
    waited = cli.run("batches", "wait", number, "--timeout", "0", check=False)
    assert "batch 1 is still running after 0 s" in refused(waited)
    shown = cli.run("batches", "list").stdout
    assert "1 completed, 1 failed, 1 pending" in shown

    cancelled = cli.json("batches", "cancel", number)
    assert (cancelled["status"], cancelled["cancelled"]) == ("cancelled", 1)
    assert cli.json("batches", "list") == []
    assert cli.json("batches", "list", "--all") == [cli.json("batches", "show", number)]
    waited = cli.run("batches", "wait", number, check=False)
    assert (waited.returncode, waited.stderr) == (3, "")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["create", "vinted", "publish", "1", "77", "78"], 1, "user 7 has no product 77, 78;"),
        (["create", "vinted", "publish"], 2, "Missing argument 'products'"),
        (["create", "vinted", "publish", "x"], 2, "Invalid value for 'products'"),
        (["create", "vinted", "publish", "1", "--priority", "9"], 1, "priority must be 1"),
        (["create", "vinted", "publish", "1", "--user", "8"], 1, "user 8 has no shop on vinted"),
        (["show", "5"], 1, "batch 5 does not exist; `python run.py batches list`"),
        (["cancel", "5"], 1, "batch 5 does not exist"),
        (["wait", "5"], 1, "batch 5 does not exist"),
        (["list", "--marketplace", "vintd"], 1, "the marketplace 'vintd' is not known"),
    ],
)
def test_bad_input_is_one_clear_line(
    cli: Installation, products: list[str], arguments: list[str], code: int, says: str
) -> None:
    assert says in refused(cli.run("batches", *arguments, check=False), code)


def test_a_second_publish_is_refused_and_may_be_forced(
    cli: Installation, products: list[str]
) -> None:
    first = cli.json("jobs", "create", "vinted", "publish", "--product-id", products[0])
    again = ("jobs", "create", "vinted", "publish", "--product-id", products[0])
    assert f"being published there by job {first['id']}" in refused(cli.run(*again, check=False))
    batch = ("batches", "create", "vinted", "publish", *products)
    assert f"by job {first['id']}" in refused(cli.run(*batch, check=False))
    assert cli.json(*again, "--force")["status"] == "pending"
    assert cli.json(*batch, "--force")["total"] == 3


def test_a_withdrawn_job_names_its_successor(cli: Installation, products: list[str]) -> None:
    older, newer = (
        cli.json("jobs", "create", "vinted", "update", "--product-id", products[0])
        for _ in range(2)
    )
    shown = cli.json("jobs", "show", str(older["id"]))
    assert (shown["status"], shown["superseded_by"]) == ("cancelled", newer["id"])
    assert f"job {newer['id']}, a newer update" in cli.run("jobs", "show", str(older["id"])).stdout
