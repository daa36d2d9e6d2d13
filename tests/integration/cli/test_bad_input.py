"""Bad input on the command line: one clear line, and a code that is not 0."""

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import URL, text

from runtime.jobs.service import MarketplaceJobService
from runtime.storage.server.engine import Database
from tests.support.processes.commands import on_database, refused
from tests.support.processes.service_process import Installation

NOBODY = "postgresql://nobody:pa55@127.0.0.1:1/x"


@pytest.fixture
def cli(tmp_path: Path, database_url: URL) -> Installation:
    """Commands on the test's own database."""
    return on_database(tmp_path, database_url)


@pytest.fixture
def shop(database: Database) -> int:
    """Seller 7 with one shop."""
    with database.session.begin() as session:
        return MarketplaceJobService(session).add_shop("vinted", 7, "123", "Closet").id


@pytest.mark.parametrize(
    ("arguments", "code", "names"),
    [
        ("jobs create vintd sync", 1, "'vintd'"),
        ("jobs create vinted sinc", 1, "known for vinted: delete, link_product, message"),
        ("shops add vintd --user 7 --external-id 1", 1, "'vintd' is not known; known: ebay"),
        ("jobs list --marketplace vintd", 1, "'vintd' is not known"),
        ("jobs create vinted sync --input {", 1, "--input is not valid JSON"),
        ("jobs create vinted sync --input [1]", 1, "--input must be a JSON object"),
        ('jobs create vinted sync --input {"a":NaN}', 1, "NaN"),
        ('jobs create vinted sync --input {"a":1e999}', 1, "infinity"),
        (r'jobs create vinted sync --input {"a":"\u0000"}', 1, r"\u0000"),
        (r'jobs create vinted sync --input {"a":"\ud800"}', 1, "surrogate"),
        ("jobs create vinted sync --priority 9", 1, "priority must be 1 (critical)"),
        ("jobs create vinted sync --shop 99", 1, "shop 99 does not exist"),
        ("jobs create vinted sync --user 8", 1, "user 8 has no shop on vinted"),
        ("jobs create ebay sync", 1, "run.py shops add ebay"),
        ("shops add vinted --user 8 --external-id 123", 1, "another user"),
        ("shops add vinted --user 0 --external-id 1", 1, "user_id"),
        ("shops add vinted --user 7 --external-id \udcff", 1, "external_id"),
        ("jobs show 99", 1, "job 99 does not exist"),
        ("jobs retry 99", 1, "job 99 does not exist"),
        ("jobs create vinted sync --at tomorrow", 2, "'tomorrow' is not an ISO time"),
        ("jobs show one", 2, "'ID'"),
        ("shops pause 99", 1, "shop 99 does not exist"),
        ("shops resume 99", 1, "shop 99 does not exist"),
        ("shops pause 1 --for 0s", 2, "'0s' is not a length of time"),
        ("shops pause 1 --for soon", 2, "'soon' is not a length of time"),
        ("shops pause 1 --until 2020-01-01T00:00", 2, "'2020-01-01T00:00' is in the past"),
        ("shops pause 1 --until 2999-01-01T00:00 --for 1h", 2, "--until or --for, not both"),
        ("marketplaces pause vintd", 1, "'vintd' is not known"),
        ("marketplaces resume vintd", 1, "'vintd' is not known"),
        ("marketplaces pause vinted --until soon", 2, "'soon' is not an ISO time"),
        ("jobs list --status done", 2, "'done'"),
        ("jobs list --limit 0", 2, "--limit"),
        ("jobs create vinted", 2, "action"),
        ("jobs", 2, "Missing command"),
        ("job list", 2, "'job'"),
        ("token --user 7 --expires soon", 2, "'soon'"),
        ("token --user 7 --expires 0d", 2, "'0d'"),
        ("token --user 0", 2, "--user"),
        ("token", 2, "--user"),
    ],
)
def test_bad_input_is_one_clear_line(
    cli: Installation, shop: int, arguments: str, code: int, names: str
) -> None:
    assert names in refused(cli.run(*arguments.split(), check=False), code)


@pytest.mark.parametrize(
    ("command", "variable", "value", "names"),
    [
        ("jobs list", "RUNTIME_DATABASE_URL", NOBODY, "127.0.0.1, port 1"),
        ("serve", "RUNTIME_DATABASE_URL", NOBODY, "127.0.0.1, port 1"),
        ("doctor", "RUNTIME_DATABASE_URL", NOBODY, "127.0.0.1, port 1"),
        ("backup /tmp/never", "RUNTIME_DATABASE_URL", NOBODY, "127.0.0.1, port 1"),
        ("jobs list", "RUNTIME_DATABASE_URL", "mysql://x", "RUNTIME_DATABASE_URL"),
        ("serve", "RUNTIME_BRIDGE_PORT", "high", "RUNTIME_BRIDGE_PORT"),
        ("serve", "RUNTIME_VINTED_CALL_SECONDS", "0", "RUNTIME_VINTED_CALL_SECONDS"),
        ("doctor", "RUNTIME_VINTED_CALL_SECONDS", "0", "RUNTIME_VINTED_CALL_SECONDS"),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    cli: Installation, command: str, variable: str, value: str, names: str
) -> None:
    done = cli.run(*command.split(), check=False, more={variable: value})
    assert done.returncode == 1
    assert names in done.stderr
    assert "pa55" not in done.stderr + done.stdout
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["jobs list", "token --user 7", "serve"])
def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").touch()
    cli = Installation(tmp_path / "file" / "data")
    done = subprocess.run(
        [*cli.command, *command.split()],
        env=cli.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    line = refused(done)
    assert str(cli.data_dir) in line
    assert "RUNTIME_DATA_DIR" in line


def test_an_operators_database_is_not_migrated_by_the_way(
    tmp_path: Path, empty_database_url: URL
) -> None:
    cli = on_database(tmp_path, empty_database_url)
    assert "run.py migrate" in refused(cli.run("jobs", "list", check=False))
    assert "Inserted 5 eBay action types" in cli.run("migrate").stdout
    assert cli.json("migrate") == {"done": []}
    assert cli.json("jobs", "list") == []


def test_what_nobody_expected_is_one_line_too(
    cli: Installation, database: Database, shop: int
) -> None:
    with database.session.begin() as session:
        session.execute(text("ALTER TABLE marketplace_runtime.shops RENAME TO aside"))
        session.execute(
            text(
                "CREATE VIEW marketplace_runtime.shops AS SELECT id / (id - id) AS id, "
                "marketplace, user_id, external_id, name, settings, orders_synced_at, created_at "
                "FROM marketplace_runtime.aside"
            )
        )
    line = refused(cli.run("shops", "list", check=False))
    assert "division by zero" in line
    assert "RUNTIME_LOG_LEVEL=debug" in line
    verbose = cli.run("shops", "list", check=False, more={"RUNTIME_LOG_LEVEL": "debug"})
    assert "Traceback" in verbose.stderr
