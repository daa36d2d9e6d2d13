"""The migrations give the tables of the former system back."""

import pytest

from runtime.errors import DatabaseConflict
from runtime.storage.models import SCHEMA
from runtime.storage.schema.migrator import check_migrated
from runtime.storage.server.engine import Database
from tests.support.database.migrating import (
    ACTIONS_OF_JOBS,
    LEGACY,
    down,
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


class TestDowngrade:
    def test_it_takes_everything_back_and_up_again_brings_it(
        self, empty_database: Database
    ) -> None:
        run(empty_database, LEGACY)
        types = "SELECT id, code, name, description, rate_limit_ms FROM {} {} ORDER BY id"
        former = rows(empty_database, types.format("vinted.action_types", "WHERE id <> 30"))
        jobs = rows(
            empty_database, "SELECT id, action_type_id FROM user_1.marketplace_jobs ORDER BY id"
        )
        up(empty_database)

        lines = down(empty_database, "base")

        restored = rows(empty_database, types.format("vinted.action_types", "WHERE id < 30"))
        assert restored == former
        assert jobs == rows(
            empty_database, "SELECT id, action_type_id FROM user_1.marketplace_jobs ORDER BY id"
        )
        assert "✓ Migrated public.marketplace_action_types → vinted.action_types" in lines
        assert ("public", "marketplace_action_types") not in tables(empty_database)
        with pytest.raises(Exception, match="violates foreign key"):
            run(
                empty_database, "INSERT INTO user_1.marketplace_jobs (action_type_id) VALUES (1000)"
            )
        run(empty_database, "INSERT INTO vinted.action_types (code, name) VALUES ('next', 'Next')")

        up(empty_database)

        named = rows(
            empty_database, ACTIONS_OF_JOBS.format(table="public.marketplace_action_types")
        )
        assert [name[2] for name in named] == ["sync", "publish", "relist", "sync_orders", "sync"]

    def test_ids_that_had_to_change_change_back_and_the_misplaced_row_is_misplaced_again(
        self, empty_database: Database
    ) -> None:
        run(empty_database, LEGACY)
        run(empty_database, ADOPTABLE)
        # 4 ↔ 11 the other way round, 8 taken by an action that was added here.
        run(
            empty_database,
            "INSERT INTO public.marketplace_action_types (id, marketplace, code, name) VALUES "
            "(4, 'vinted', 'sync', 'Sync'), (11, 'vinted', 'publish', 'Publish'), "
            "(8, 'vinted', 'bump', 'Bump')",
        )
        jobs = "SELECT id, action_type_id FROM user_1.marketplace_jobs ORDER BY id"
        before = rows(empty_database, jobs)
        up(empty_database)
        assert rows(empty_database, jobs) != before

        down(empty_database, "base")

        assert rows(empty_database, jobs) == before
        codes = dict(rows(empty_database, "SELECT id, code FROM vinted.action_types"))
        assert {one: codes[one] for one in (4, 8, 11, 30)} == {
            4: "publish", 8: "sync_orders_ebay", 11: "sync", 30: "relist",
        }  # fmt: skip
        assert "bump" in codes.values()

    def test_rows_of_others_stay(self, empty_database: Database) -> None:
        up(empty_database)
        run(
            empty_database,
            "INSERT INTO public.marketplace_action_types (marketplace, code, name) VALUES "
            "('etsy', 'renew', 'Renew'), ('depop', 'sync', 'Sync')",
        )

        down(empty_database, "20260109_0200")

        left = rows(
            empty_database,
            "SELECT marketplace, code FROM public.marketplace_action_types "
            "WHERE marketplace <> 'vinted' ORDER BY id",
        )
        assert left == [("etsy", "renew"), ("depop", "sync")]
        with pytest.raises(DatabaseConflict, match="action types of depop, etsy"):
            down(empty_database, "base")

    def test_rows_that_jobs_refer_to_are_not_deleted(self, empty_database: Database) -> None:
        run(empty_database, LEGACY)
        up(empty_database)
        publish = (
            "(SELECT id FROM public.marketplace_action_types "
            "WHERE marketplace = 'ebay' AND code = 'publish')"
        )
        run(
            empty_database,
            f"INSERT INTO user_1.marketplace_jobs (action_type_id) VALUES ({publish});"
            f'INSERT INTO "User 2"."Jobs" VALUES ({publish})',
        )

        with pytest.raises(DatabaseConflict) as caught:
            down(empty_database, "20260109_0200")

        assert str(caught.value) == (
            'the eBay action types are in use by "User 2"."Jobs" (1 rows), '
            "user_1.marketplace_jobs (1 rows): delete those rows first (nothing was changed)"
        )
        check_migrated(empty_database)

    def test_jobs_that_have_not_ended_are_not_dropped(self, empty_database: Database) -> None:
        up(empty_database)
        run(
            empty_database,
            f"INSERT INTO {SCHEMA}.shops (marketplace, user_id, external_id) "
            "VALUES ('vinted', 7, '1');"
            f"INSERT INTO {SCHEMA}.marketplace_jobs (marketplace, action_type_id, user_id, "
            "shop_id) SELECT 'vinted', 1, 7, id FROM marketplace_runtime.shops",
        )

        with pytest.raises(DatabaseConflict, match=r"1 jobs .* have not ended"):
            down(empty_database, "20260109_0400")

    def test_a_legacy_table_that_came_back_is_not_overwritten(
        self, empty_database: Database
    ) -> None:
        up(empty_database)
        run(empty_database, LEGACY)

        with pytest.raises(DatabaseConflict, match=r"vinted\.action_types exists already"):
            down(empty_database, "base")
