"""The tables as the migrations make them, and what they do with what is there already."""

import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, create_engine

from runtime.errors import (
    ConfigurationError,
    DatabaseConflict,
    DatabaseNotMigrated,
    DatabaseUnavailable,
)
from runtime.storage.models import SCHEMA, Base
from runtime.storage.schema import migrator
from runtime.storage.schema.migrator import MIGRATION_LOCK, check_migrated, migrate
from runtime.storage.server.engine import Database
from tests.support.checkout import CHECKOUT
from tests.support.database.databases import Databases
from tests.support.database.migrating import (
    EBAY,
    ETSY,
    VINTED,
    down,
    rows,
    run,
    tables,
    up,
)


def test_a_fresh_database_gets_the_seventeen_rows_to_the_letter(empty_database: Database) -> None:
    lines = up(empty_database)

    found = rows(
        empty_database,
        "SELECT marketplace, code, name, description, priority, is_batch, rate_limit_ms, "
        "max_retries, timeout_seconds FROM public.marketplace_action_types ORDER BY id",
    )
    expected = [
        (marketplace, *row)
        for marketplace, of_it in (("vinted", VINTED), ("ebay", EBAY), ("etsy", ETSY))
        for row in of_it
    ]
    assert found == expected
    assert lines == [
        "✓ Created public.marketplace_action_types",
        "✓ Inserted 7 Vinted action types",
        "✓ Inserted 5 eBay action types",
        "✓ Inserted 5 Etsy action types",
        f"✓ Created 5 tables in {SCHEMA}",
        f"✓ Created {SCHEMA}.marketplace_tasks",
        f"✓ Created {SCHEMA}.budget_closures and budget_usage",
        f"✓ Created {SCHEMA}.batch_jobs and job_schedules",
        f"✓ Created {SCHEMA}.products, orders and conversations",
        f"✓ Created {SCHEMA}.shop_credentials",
        f"✓ Created {SCHEMA}.former_rows",
        f"✓ Extended {SCHEMA}.former_rows",
        f"✓ Extended {SCHEMA}.runtime_nodes",
    ]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_store_every_character_is_named(
    databases: Databases, encoding: str
) -> None:
    url = databases.make(encoding=encoding)
    database = Database(url)
    try:
        says = f"{url.database}.*{encoding}.*UTF8"
        with pytest.raises(ConfigurationError, match=says):
            migrate(database, print)
        with pytest.raises(ConfigurationError, match=says):
            check_migrated(database)
    finally:
        database.dispose()
        databases.drop(url)


def test_migrating_again_does_nothing(empty_database: Database) -> None:
    up(empty_database)

    assert up(empty_database) == []
    check_migrated(empty_database)


def test_everything_but_the_action_types_lives_in_a_schema_of_its_own(
    empty_database: Database,
) -> None:
    up(empty_database)

    outside = [name for name in tables(empty_database) if name[0] != SCHEMA]
    assert outside == [("public", "marketplace_action_types")]
    assert (SCHEMA, "alembic_version") in tables(empty_database)


def test_the_migrations_are_the_three_that_are_known_and_ours_up_to_the_head() -> None:
    names = sorted(path.name for path in (CHECKOUT / "migrations/versions").glob("2*.py"))
    assert names[:3] == [
        "20260109_0200_unify_action_types.py",
        "20260109_0300_create_ebay_action_types.py",
        "20260109_0400_create_etsy_action_types.py",
    ]
    assert names[-1].startswith(migrator.HEAD)


def test_models_and_migrations_agree_for_alembic(empty_database: Database) -> None:
    up(empty_database)

    # With a search path that has no public, what lies there is reflected under its schema's name.
    engine = create_engine(
        empty_database.engine.url, connect_args={"options": "-c search_path=pg_catalog"}
    )
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _parents: (
                    kind != "schema" or name in (SCHEMA, "public")
                ),
                "version_table_schema": SCHEMA,
                "compare_type": True,
                "compare_server_default": True,
            },
        )
        differences = compare_metadata(context, Base.metadata)
    engine.dispose()
    assert differences == []


CATALOG = {
    "columns": """
        SELECT n.nspname, t.relname, a.attname, format_type(a.atttypid, a.atttypmod),
               a.attnotnull, a.attidentity::text, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = t.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE t.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND {ours} ORDER BY 1, 2, 3
    """,
    "constraints": """
        SELECT n.nspname, t.relname, c.conname, pg_get_constraintdef(c.oid)
        FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
        JOIN pg_namespace n ON n.oid = t.relnamespace WHERE {ours} ORDER BY 1, 2, 3
    """,
    "indexes": """
        SELECT n.nspname, t.relname, pg_get_indexdef(i.indexrelid)
        FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
        JOIN pg_namespace n ON n.oid = t.relnamespace WHERE {ours} ORDER BY 1, 2, 3
    """,
}


@pytest.mark.parametrize("part", list(CATALOG))
def test_models_and_migrations_agree_for_postgresql(
    empty_database: Database, database: Database, part: str
) -> None:
    run(empty_database, f"CREATE SCHEMA {SCHEMA}")
    Base.metadata.create_all(empty_database.engine)

    ours = f"n.nspname IN ('{SCHEMA}', 'public') AND t.relname <> 'alembic_version'"
    query = CATALOG[part].format(ours=ours)
    assert rows(database, query) == rows(empty_database, query)


class TestNeighbours:
    def test_tables_of_an_application_under_the_same_names_are_not_touched(
        self, empty_database: Database
    ) -> None:
        theirs = """
            CREATE TABLE public.{0} (mine text); INSERT INTO public.{0} VALUES ('theirs')
        """
        names = [*(table.name for table in Base.metadata.sorted_tables), "alembic_version"]
        names.remove("marketplace_action_types")
        for name in names:
            run(empty_database, theirs.format(name))

        up(empty_database)
        down(empty_database, "base")
        up(empty_database)

        for name in names:
            assert rows(empty_database, f"SELECT * FROM public.{name}") == [("theirs",)]

    def test_tables_under_the_same_names_in_our_schema_are_named(
        self, empty_database: Database
    ) -> None:
        run(empty_database, f"CREATE SCHEMA {SCHEMA}; CREATE TABLE {SCHEMA}.shops (mine text)")

        with pytest.raises(DatabaseConflict, match=f"schema {SCHEMA} holds shops already"):
            up(empty_database)

    def test_a_role_with_nothing_but_the_prepared_schema_may_migrate(
        self, empty_database: Database, empty_database_url: URL
    ) -> None:
        run(
            empty_database,
            "DO $$ BEGIN CREATE ROLE bounded LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;"
            f"CREATE SCHEMA {SCHEMA} AUTHORIZATION bounded; GRANT ALL ON SCHEMA public TO bounded",
        )
        database = Database(empty_database_url.set(username="bounded"))

        up(database)

        check_migrated(database)
        database.dispose()

    def test_a_role_that_may_not_is_told(
        self, empty_database: Database, empty_database_url: URL
    ) -> None:
        run(
            empty_database,
            "DO $$ BEGIN CREATE ROLE barred LOGIN; EXCEPTION WHEN duplicate_object THEN END $$",
        )
        database = Database(empty_database_url.set(username="barred"))

        with pytest.raises(ConfigurationError, match=r"may not migrate .*permission denied"):
            up(database)

        database.dispose()


class TestRevisions:
    def test_a_database_without_tables_is_told_what_to_run(self, empty_database: Database) -> None:
        with pytest.raises(DatabaseNotMigrated, match=r"run\.py migrate"):
            check_migrated(empty_database)

    def test_a_database_that_is_behind_is_told_what_to_run(self, empty_database: Database) -> None:
        up(empty_database)
        down(empty_database, "20260109_0400")

        with pytest.raises(DatabaseNotMigrated, match=r"run\.py migrate"):
            check_migrated(empty_database)

    @pytest.mark.parametrize("ask", [check_migrated, up])
    def test_a_later_revision_is_named(self, database: Database, ask: Any) -> None:
        run(database, f"UPDATE {SCHEMA}.alembic_version SET version_num = '20991231_0100'")

        with pytest.raises(DatabaseNotMigrated, match=r"20991231_0100.*later marketplace-runtime"):
            ask(database)

    def test_the_command_of_alembic_itself_works(self, empty_database_url: URL) -> None:
        url = empty_database_url.render_as_string(hide_password=False)
        for arguments, said in (
            (["upgrade", "head"], "✓ Inserted 5 eBay action types\n"),
            (["downgrade", "base"], "✓ Dropped public.marketplace_action_types\n"),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "alembic", *arguments],
                cwd=CHECKOUT,
                env={"RUNTIME_DATABASE_URL": url},
                capture_output=True,
                text=True,
                check=True,
            )
            assert said in done.stdout
            assert done.stderr == ""

    def test_the_command_of_alembic_says_in_one_line_what_is_wrong(
        self, empty_database: Database, empty_database_url: URL
    ) -> None:
        run(empty_database, "CREATE TABLE public.marketplace_action_types (id int)")

        done = subprocess.run(
            [sys.executable, "-m", "alembic", "upgrade", "head"],
            cwd=CHECKOUT,
            env={"RUNTIME_DATABASE_URL": empty_database_url.render_as_string(hide_password=False)},
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode != 0
        assert "FAILED: public.marketplace_action_types exists" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


class TestTogether:
    SCRIPT = """
import sys
from sqlalchemy import make_url
from runtime.storage.server.engine import Database
from runtime.storage.schema.migrator import migrate
sys.stdin.readline()
migrate(Database(make_url(sys.argv[1])), print)
"""

    def test_of_processes_that_migrate_at_once_one_does_the_work(
        self, empty_database_url: URL
    ) -> None:
        url = empty_database_url.render_as_string(hide_password=False)
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", self.SCRIPT, url],
                cwd=CHECKOUT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        printed = [process.communicate(timeout=60)[0] for process in processes]

        assert [process.returncode for process in processes] == [0] * 4
        created = [text for text in printed if "✓ Created public" in text]
        assert len(created) == 1

    def test_whoever_waits_says_so_once_and_gives_up(
        self, empty_database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(migrator, "_POLL_SECONDS", 0.001)
        lines: list[str] = []
        with closing(empty_database.direct_connection()) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))

            with pytest.raises(DatabaseUnavailable, match=r"for more than 0\.05 s"):
                migrate(empty_database, lines.append, timedelta(seconds=0.05))

        assert lines == ["another process is migrating the database: waiting for it"]

    def test_whoever_waits_goes_on_when_the_other_is_killed(self, empty_database: Database) -> None:
        other = empty_database.direct_connection()
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        lines: list[str] = []

        def report(line: str) -> None:
            lines.append(line)
            if "waiting" in line:
                other.close()

        migrate(empty_database, report)

        assert lines[0].endswith("waiting for it")
        assert lines[-1] == f"✓ Extended {SCHEMA}.runtime_nodes"


def test_the_line_of_a_migration_is_said_after_it_is_committed(empty_database: Database) -> None:
    seen: list[int] = []

    def report(_line: str) -> None:
        seen.append(len(rows(empty_database, "SELECT FROM public.marketplace_action_types")))

    migrate(empty_database, report)

    assert set(seen) == {17}
