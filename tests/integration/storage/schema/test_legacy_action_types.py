"""The migrations take the tables of the former system over, and give them back."""

import pytest
from sqlalchemy import URL, text

from runtime.errors import DatabaseConflict, DatabaseUnavailable
from runtime.storage.schema import migrator
from runtime.storage.server.engine import Database
from tests.support.database.migrating import (
    ACTIONS_OF_JOBS,
    EBAY,
    ETSY,
    LEGACY,
    VINTED,
    rows,
    run,
    tables,
    up,
)

ADOPTABLE = """
    CREATE TABLE public.marketplace_action_types (
        id bigserial PRIMARY KEY, marketplace text NOT NULL, code text NOT NULL, name text,
        description text, priority int, is_batch boolean, rate_limit_ms int, max_retries int,
        timeout_seconds smallint, created_at timestamp, note text, UNIQUE (code, marketplace));
"""


class TestLegacy:
    def test_rows_keep_their_ids_and_their_edits(self, empty_database: Database) -> None:
        run(empty_database, LEGACY)

        lines = up(empty_database)

        carried = rows(
            empty_database,
            "SELECT id, marketplace, code, name, description, priority, is_batch, rate_limit_ms, "
            "max_retries, timeout_seconds FROM public.marketplace_action_types "
            "WHERE id <= 30 ORDER BY id",
        )
        assert carried == [
            (4, "vinted", "publish", *VINTED[2][1:]),
            (8, "ebay", "sync_orders", "Sync eBay orders", "misplaced", 1, True, 4000, 3, 300),
            (11, "vinted", "sync", "Sync my closet", "edited", 2, True, 9000, 7, 900),
            (30, "vinted", "relist", "Relist", None, 3, False, 2000, 3, 60),
        ]
        assert rows(
            empty_database,
            "SELECT created_at = '2025-05-05 05:05Z' FROM public.marketplace_action_types "
            "WHERE id = 11",
        ) == [(True,)]
        assert lines[:5] == [
            "✓ Created public.marketplace_action_types",
            "✓ Migrated vinted.action_types → public.marketplace_action_types",
            "✓ Dropped vinted.action_types",
            "✓ Inserted 5 Vinted action types",
            "✓ Inserted 4 eBay action types",
        ]

    def test_missing_rows_are_added_behind_them(self, empty_database: Database) -> None:
        run(empty_database, LEGACY)

        up(empty_database)

        pairs = rows(
            empty_database,
            "SELECT marketplace, code FROM public.marketplace_action_types WHERE id > 30",
        )
        missing = {("vinted", row[0]) for row in VINTED} - {
            ("vinted", "publish"),
            ("vinted", "sync"),
        }
        missing |= {("ebay", row[0]) for row in EBAY if row[0] != "sync_orders"}
        missing |= {("etsy", row[0]) for row in ETSY}
        assert set(pairs) == missing
        run(
            empty_database,
            "INSERT INTO public.marketplace_action_types (marketplace, code, name) "
            "VALUES ('depop', 'publish', 'Publish')",
        )

    def test_a_table_with_the_first_id_only_leaves_the_sequence_behind_it(
        self, empty_database: Database
    ) -> None:
        run(empty_database, LEGACY)
        run(empty_database, "DELETE FROM vinted.action_types")
        run(
            empty_database,
            "INSERT INTO vinted.action_types (id, code, name) VALUES (1, 'sync', 'Sync')",
        )

        up(empty_database)

        assert len(rows(empty_database, "SELECT id FROM public.marketplace_action_types")) == 17

    def test_jobs_still_name_the_same_action(self, empty_database: Database) -> None:
        run(empty_database, LEGACY)

        up(empty_database)

        named = rows(
            empty_database, ACTIONS_OF_JOBS.format(table="public.marketplace_action_types")
        )
        assert named == [
            (1, "vinted", "sync"),
            (2, "vinted", "publish"),
            (3, "vinted", "relist"),
            (4, "ebay", "sync_orders"),
            (5, "vinted", "sync"),
        ]
        assert rows(empty_database, 'SELECT "Action" FROM "User 2"."Jobs"') == [(8,), (None,)]

    @pytest.mark.parametrize("path", ["public", "vinted, user_1", "''"])
    def test_foreign_keys_follow_as_they_were(
        self, empty_database_url: URL, empty_database: Database, path: str
    ) -> None:
        run(empty_database, LEGACY)
        run(
            empty_database, f"ALTER DATABASE {empty_database_url.database} SET search_path = {path}"
        )
        empty_database.engine.dispose()

        up(empty_database)

        keys = rows(
            empty_database,
            "SELECT conname, confrelid = 'public.marketplace_action_types'::regclass, "
            "confdeltype::text, condeferrable, condeferred, convalidated FROM pg_constraint "
            "WHERE contype = 'f' AND connamespace::regnamespace::text LIKE '%ser%' ORDER BY 1",
        )
        assert [key for key in keys if key[0] in ("Points at", "Jobs_Action_fkey")] == [
            ("Jobs_Action_fkey", True, "n", False, False, True),
            ("Points at", True, "c", True, True, True),
        ]

    def test_a_partitioned_table_follows(self, empty_database: Database) -> None:
        run(empty_database, LEGACY)
        run(
            empty_database,
            "CREATE TABLE user_1.parted (id int, action int REFERENCES vinted.action_types) "
            "PARTITION BY LIST (id);"
            "CREATE TABLE user_1.part PARTITION OF user_1.parted FOR VALUES IN (1);"
            "INSERT INTO user_1.parted VALUES (1, 11)",
        )

        up(empty_database)

        with pytest.raises(Exception, match="foreign key"):
            run(empty_database, "INSERT INTO user_1.parted VALUES (1, 99)")

    def test_a_view_on_it_is_named_and_nothing_is_changed(self, empty_database: Database) -> None:
        run(empty_database, LEGACY)
        run(empty_database, "CREATE VIEW user_1.actions AS SELECT code FROM vinted.action_types")
        before = tables(empty_database)

        with pytest.raises(DatabaseConflict, match=r"view user_1\.actions depends on"):
            up(empty_database)

        assert tables(empty_database) == before

    def test_a_foreign_key_on_the_code_is_named(self, empty_database: Database) -> None:
        run(empty_database, LEGACY)
        run(
            empty_database,
            "CREATE TABLE user_1.odd (code varchar REFERENCES vinted.action_types (code))",
        )

        with pytest.raises(DatabaseConflict, match=r"odd_code_fkey of user_1\.odd"):
            up(empty_database)

    def test_a_column_without_a_place_is_named(self, empty_database: Database) -> None:
        run(empty_database, LEGACY)
        run(empty_database, "ALTER TABLE vinted.action_types ADD COLUMN owner text")

        with pytest.raises(DatabaseConflict, match=r"no room for \(owner\)"):
            up(empty_database)

    def test_a_table_of_that_name_that_is_something_else_is_left_alone(
        self, empty_database: Database
    ) -> None:
        run(empty_database, "CREATE SCHEMA vinted; CREATE TABLE vinted.action_types (verb text)")

        with pytest.raises(DatabaseConflict, match="no column code, id"):
            up(empty_database)

    def test_a_table_that_somebody_holds_is_not_waited_for_without_end(
        self, empty_database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(migrator, "LOCK_TIMEOUT", "10ms")
        run(empty_database, LEGACY)
        with empty_database.engine.connect() as holder:
            holder.execute(text("LOCK TABLE vinted.action_types IN SHARE MODE"))

            with pytest.raises(DatabaseUnavailable, match="did not get a table for itself"):
                up(empty_database)

        assert ("vinted", "action_types") in tables(empty_database)


class TestAdopting:
    def test_the_rows_that_are_there_stay(self, empty_database: Database) -> None:
        run(empty_database, ADOPTABLE)
        run(
            empty_database,
            "INSERT INTO public.marketplace_action_types (id, marketplace, code, name, note) "
            "VALUES (1, 'vinted', 'sync', 'Mine', 'kept'), (2, 'depop', 'sync', 'Depop', NULL)",
        )

        lines = up(empty_database)

        assert rows(
            empty_database,
            "SELECT id, marketplace, code, name, note FROM public.marketplace_action_types "
            "WHERE id <= 2 ORDER BY id",
        ) == [(1, "vinted", "sync", "Mine", "kept"), (2, "depop", "sync", "Depop", None)]
        assert len(rows(empty_database, "SELECT FROM public.marketplace_action_types")) == 18
        assert lines[:2] == [
            "✓ Adopted public.marketplace_action_types, which was there",
            "✓ Inserted 6 Vinted action types",
        ]

    @pytest.mark.parametrize("there", [False, True])
    def test_a_misplaced_row_in_it_is_put_right(
        self, empty_database: Database, there: bool
    ) -> None:
        run(empty_database, ADOPTABLE)
        run(
            empty_database,
            "INSERT INTO public.marketplace_action_types (id, marketplace, code, name) VALUES "
            "(8, 'vinted', 'sync_orders_ebay', 'Misplaced');"
            "CREATE TABLE jobs (action_type_id int REFERENCES public.marketplace_action_types);"
            "INSERT INTO jobs VALUES (8)",
        )
        if there:
            run(
                empty_database,
                "INSERT INTO public.marketplace_action_types (id, marketplace, code, name) "
                "VALUES (3, 'ebay', 'sync_orders', 'In its place')",
            )

        lines = up(empty_database)

        assert "✓ Put sync_orders_ebay right: it is sync_orders on ebay" in lines
        assert rows(
            empty_database,
            "SELECT type.id, marketplace, code, name FROM jobs "
            "JOIN public.marketplace_action_types type ON type.id = action_type_id",
        ) == [(3, "ebay", "sync_orders", "In its place") if there
              else (8, "ebay", "sync_orders", "Misplaced")]  # fmt: skip
        assert (
            rows(
                empty_database,
                "SELECT FROM public.marketplace_action_types WHERE code = 'sync_orders_ebay'",
            )
            == []
        )

    def test_legacy_ids_that_are_taken_change_and_every_job_follows(
        self, empty_database: Database
    ) -> None:
        run(empty_database, LEGACY)
        run(empty_database, ADOPTABLE)
        # 4 ↔ 11 the other way round, 30 taken by something else, 8 free.
        run(
            empty_database,
            "INSERT INTO public.marketplace_action_types (id, marketplace, code, name) VALUES "
            "(4, 'vinted', 'sync', 'Sync'), (11, 'vinted', 'publish', 'Publish'), "
            "(30, 'depop', 'publish', 'Depop');"
            "ALTER TABLE user_1.marketplace_jobs ADD CONSTRAINT twice FOREIGN KEY (action_type_id) "
            "REFERENCES vinted.action_types (id);"
            "CREATE TABLE user_1.loose (action_type_id int)",
        )

        lines = up(empty_database)

        named = rows(
            empty_database, ACTIONS_OF_JOBS.format(table="public.marketplace_action_types")
        )
        assert [name[1:] for name in named] == [
            ("vinted", "sync"),
            ("vinted", "publish"),
            ("vinted", "relist"),
            ("ebay", "sync_orders"),
            ("vinted", "sync"),
        ]
        assert rows(
            empty_database,
            "SELECT id, name FROM public.marketplace_action_types WHERE code = 'relist'",
        ) == [(31, "Relist")]
        assert (
            "! user_1.loose.action_type_id has no foreign key and was left alone; "
            "moved: 4 → 11, 11 → 4, 30 → 31" in lines
        )

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ("DROP COLUMN code", "it has no column code"),
            ("ALTER COLUMN priority TYPE text", "its column priority is text"),
            ("ADD COLUMN owner int NOT NULL", "its column owner must be given a value"),
            (
                "DROP CONSTRAINT marketplace_action_types_code_marketplace_key",
                r"\(code, marketplace\) is not unique",
            ),
            ("DROP CONSTRAINT marketplace_action_types_pkey", r"\(id\) is not unique"),
            ("ALTER COLUMN id DROP DEFAULT", "id has no sequence"),
        ],
    )
    def test_another_table_of_that_name_is_refused_and_named(
        self, empty_database: Database, change: str, said: str
    ) -> None:
        run(empty_database, LEGACY)
        run(empty_database, ADOPTABLE)
        run(empty_database, f"ALTER TABLE public.marketplace_action_types {change}")
        if "DEFAULT" in change:
            run(empty_database, "ALTER SEQUENCE marketplace_action_types_id_seq OWNED BY NONE")
        before = tables(empty_database)

        with pytest.raises(DatabaseConflict, match=said) as caught:
            up(empty_database)

        assert "\n" not in str(caught.value)
        assert tables(empty_database) == before
        assert rows(empty_database, "SELECT FROM public.marketplace_action_types") == []

    def test_a_view_of_that_name_is_refused(self, empty_database: Database) -> None:
        run(empty_database, "CREATE VIEW public.marketplace_action_types AS SELECT 1 AS id")

        with pytest.raises(DatabaseConflict, match="it is not a table"):
            up(empty_database)
