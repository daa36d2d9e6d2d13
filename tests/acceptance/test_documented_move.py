"""The pages about the move from the former system do what they say, command by command."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import URL

from runtime.storage.models import SCHEMA
from runtime.storage.server.engine import Database
from runtime.storage.server.postgres_cluster import load_programs
from tests.support.checkout import CHECKOUT
from tests.support.database.former_database import former_database
from tests.support.database.migrating import rows, run, tables, up
from tests.support.documented import documented, execute
from tests.support.processes.commands import on_database

Step = Callable[[str], str]

TYPES = "public.marketplace_action_types"
JOBS = "SELECT id, action_type_id, status::text FROM user_1.marketplace_jobs ORDER BY id"
UNIFIED = f"""
    ALTER TABLE user_1.marketplace_jobs DROP CONSTRAINT marketplace_jobs_action_type_id_fkey;
    ALTER TABLE user_37.marketplace_jobs DROP CONSTRAINT marketplace_jobs_action_type_id_fkey;
    DROP TABLE vinted.action_types;
    DELETE FROM {TYPES};
    INSERT INTO {TYPES} (id, marketplace, code, name) VALUES (11, 'vinted', 'sync', 'Sync'),
        (4, 'vinted', 'publish', 'Publish'), (30, 'vinted', 'relist', 'Relist'),
        (8, 'ebay', 'sync_orders', 'Sync orders');
    ALTER TABLE user_1.marketplace_jobs ADD FOREIGN KEY (action_type_id) REFERENCES {TYPES};
"""


@pytest.fixture
def former(empty_database: Database) -> Database:
    run(empty_database, former_database())
    run(empty_database, "DROP TABLE public.marketplace_action_types")
    return empty_database


def steps_of(
    page: str, url: URL, directory: Path, done: list[str], codes: dict[str, int]
) -> Callable[[str], str]:
    """Executes a block of the page; notes which were."""
    blocks, installation = documented(page), on_database(directory, url)
    # An administrator of PostgreSQL has at hand its programs, and the user to connect as.
    installation.environment |= {
        "PATH": f"{load_programs().bin}:{installation.environment['PATH']}",
        "PGHOST": str(url.query["host"]), "PGUSER": str(url.username),
    }  # fmt: skip

    def step(name: str) -> str:
        done.append(name)
        ended = execute(installation, blocks[name], directory)
        assert ended.returncode == codes.get(name, 0), f"{name}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    return step


def test_the_move_step_by_step_and_the_way_back(
    former: Database, empty_database_url: URL, tmp_path: Path
) -> None:
    before = rows(former, JOBS)
    done: list[str] = []
    # An action that only the former system had is named: exit code 1.
    step = steps_of("migration.md", empty_database_url, tmp_path, done, {"check": 1})

    assert "wrote " in step("save")
    assert "✓ Migrated vinted.action_types → public.marketplace_action_types" in step("migrate")
    assert "ok       migrations: up to date" in step("check")
    assert step("plan").startswith("3 schemas: 27 jobs would be taken over")
    assert step("import").startswith("3 schemas: 27 jobs taken over")
    assert "it was running in the former system" in step("look")
    step("back")
    undone = json.loads((tmp_path / "since.json").read_text())
    assert undone == {"jobs": 27, "batches": 6, "stay": 0, "stayed": []}
    assert len(json.loads((tmp_path / "here.json").read_text())) == 27
    step("restore")

    # Of the two ways back one is for a database that looked otherwise.
    assert [*done[:-1], "adopted", done[-1]] == list(documented("migration.md"))
    restored = Database(former.engine.url.set(database="before_the_move"))
    try:
        assert before == rows(restored, JOBS)
    finally:
        restored.dispose()
        with former.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as alone:
            alone.exec_driver_sql("DROP DATABASE before_the_move")
    assert before == rows(former, JOBS)
    assert dict(rows(former, "SELECT id, code FROM vinted.action_types"))[8] == "sync_orders_ebay"


def test_the_way_back_leaves_a_table_that_was_the_former_systems(
    empty_database: Database, empty_database_url: URL, tmp_path: Path
) -> None:
    """It unified the action types itself, so its jobs refer to what was adopted."""
    run(empty_database, former_database())
    run(empty_database, UNIFIED)
    before = rows(empty_database, JOBS)
    assert f"✓ Adopted {TYPES}, which was there" in up(empty_database)
    own = rows(empty_database, f"SELECT * FROM {TYPES} WHERE id IN (4, 8, 11, 30)")

    steps_of("migration.md", empty_database_url, tmp_path, [], {})("adopted")

    assert rows(empty_database, JOBS) == before
    assert rows(empty_database, f"SELECT * FROM {TYPES} WHERE id IN (4, 8, 11, 30)") == own
    left = {name for schema, name in tables(empty_database) if schema == SCHEMA}
    assert left == {"alembic_version", "former_action_types"}


def test_what_troubleshooting_tells_to_do_helps(
    former: Database, empty_database_url: URL, tmp_path: Path
) -> None:
    run(former, "UPDATE user_1.marketplace_jobs SET product_id = 5 WHERE id = 1")
    done: list[str] = []
    step = steps_of("troubleshooting.md", empty_database_url, tmp_path, done, {"tables": 1})
    up(former)

    step("tables")
    assert "sync_vinted" in step("handlers")
    assert step("seller")
    installation = on_database(tmp_path, empty_database_url)
    installation.run("import-former", "--schemas", "user_1")
    assert "is not here: import it" in step("asked")
    assert "1 jobs have their product now" in step("products")
    step("account")

    assert done == list(documented("troubleshooting.md"))
    assert rows(
        former,
        f"SELECT external_id FROM {SCHEMA}.shops WHERE marketplace = 'vinted' AND user_id = 1",
    ) == [("111",)]
    assert rows(
        former,
        f"SELECT count(*) FROM {SCHEMA}.marketplace_jobs WHERE status = 'pending' "
        "AND product_id IS NOT NULL",
    ) == [(1,)]


def test_every_message_that_troubleshooting_names_exists() -> None:
    text = (CHECKOUT / "docs" / "troubleshooting.md").read_text()
    sources = [
        path.read_text()
        for package in ("runtime", "actors", "plugins")
        for path in (CHECKOUT / package).rglob("*.py")
    ]
    # A part in braces in the source is a value in the page.
    source = re.sub(r"\{[^{}]*\}", "VALUE", re.sub(r'"\s*\n\s*f?"', "", "".join(sources)))
    for heading in re.findall(r"^## (.*)$", text, re.MULTILINE):
        for message in re.findall(r"`([^`]+)`", heading):
            words = re.sub(r"\b\d+(?=s\b)|\b\d+\b|user_1|sync_vinted", "VALUE", message)
            assert words == "ModuleNotFoundError" or words in source, message
