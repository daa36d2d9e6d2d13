"""`run.py schedules` as a process."""

from pathlib import Path

import pytest
from sqlalchemy import URL

from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_shop
from tests.support.processes.commands import on_database, refused
from tests.support.processes.service_process import Installation

ADD = ("schedules", "add", "nightly", "0 3 * * *", "--marketplace", "vinted", "--action", "sync")


@pytest.fixture
def cli(tmp_path: Path, database_url: URL, database: Database) -> Installation:
    """Commands on the test's own database, with a shop of seller 7."""
    add_shop(database)
    return on_database(tmp_path, database_url)


def test_the_way_of_a_schedule_through_the_commands(cli: Installation) -> None:
    added = cli.json(*ADD, "--timezone", "Europe/Paris", "--input", '{"page": 1}')
    assert added | {"next_run_at": None} == {
        "name": "nightly", "cron": "0 3 * * *", "timezone": "Europe/Paris",
        "marketplace": "vinted", "action": "sync", "user_id": 7, "shop_id": 1, "priority": None,
        "input": {"page": 1}, "paused": False, "next_run_at": None, "last_run_at": None,
        "last_job_id": None, "error": None,
    }  # fmt: skip
    assert cli.json("schedules", "show", "nightly") == added
    assert cli.json("schedules", "list") == [added]

    paused = cli.json("schedules", "pause", "nightly")
    assert (paused["paused"], paused["next_run_at"]) == (True, None)
    assert "paused" in cli.run("schedules", "list").stdout
    assert cli.json("schedules", "resume", "nightly") == added

    job = cli.json("schedules", "run-now", "nightly")
    assert (job["status"], job["input"]) == ("pending", {"page": 1})
    assert cli.json("schedules", "show", "nightly")["last_job_id"] == job["id"]
    assert cli.run("schedules", "remove", "nightly").stdout == "schedule nightly is removed\n"
    assert cli.json("schedules", "list") == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["schedules", "add", "n", "0 0 31 2 *", *ADD[4:]], "name days that exist"),
        (["schedules", "add", "n", "every day", *ADD[4:]], "must have 5 fields, such as"),
        ([*ADD, "--timezone", "Paris"], "the time zone 'Paris' is not known: give an IANA name"),
        ([*ADD, "--priority", "5"], "priority must be 1 (critical)"),
        ([*ADD, "--shop", "9"], "shop 9 does not exist"),
        ([*ADD, "--input", "[1]"], "--input"),
        (["schedules", "show", "nobody"], "the schedule 'nobody' does not exist"),
        (["schedules", "run-now", "nobody"], "the schedule 'nobody' does not exist"),
    ],
)
def test_bad_input_is_one_clear_line(cli: Installation, more: list[str], says: str) -> None:
    assert says in refused(cli.run(*more, check=False))


def test_two_schedules_of_one_name_are_refused(cli: Installation) -> None:
    cli.run(*ADD)
    assert "there is a schedule 'nightly' already" in refused(cli.run(*ADD, check=False))
