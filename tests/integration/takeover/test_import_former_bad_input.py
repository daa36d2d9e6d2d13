"""Rows that cannot be taken over are named; the rest is taken over."""

import pytest
from sqlalchemy import URL

from runtime.errors import InputError
from runtime.storage.former_system import tables
from runtime.storage.models import SCHEMA
from runtime.storage.server.engine import Database
from tests.support.database.migrating import rows, run
from tests.support.database.taking_over import (
    TAKEN,
    take_over,
)

BAD = {
    "an action that is gone": (
        "UPDATE {} SET action_type_id = 99 WHERE id = 5",
        "it names action type 99, which does not exist any more",
    ),
    "an action of another marketplace": (
        "UPDATE {} SET marketplace = 'etsy' WHERE id = 5",
        "it is a job on etsy and names action type 4, which is publish on vinted",
    ),
    "a NUL": (
        r"""UPDATE {} SET input_data = '{{"title": "a\u0000b"}}' WHERE id = 5""",
        r"its input_data contains \u0000",
    ),
    "a number that is infinite here": (
        """UPDATE {} SET input_data = '{{"price": 1e999}}' WHERE id = 5""",
        "its input_data is not valid JSON",
    ),
    "an endless number": (
        """UPDATE {} SET input_data = ('{{"n": ' || repeat('9', 5000) || '}}')::json
        WHERE id = 5""",
        "its input_data cannot be read as JSON",
    ),
    "no object": (
        "UPDATE {} SET input_data = '[1]' WHERE id = 5",
        "its input_data is no JSON object",
    ),
    "deep nesting": (
        """UPDATE {} SET input_data = (repeat('[', 3000) || repeat(']', 3000))::json
        WHERE id = 5""",
        "its input_data",
    ),
    "a result that is too large": (
        """UPDATE {} SET result_data = to_jsonb(repeat('x', 10000001)) WHERE id = 5""",
        "its result_data has 10,000,003 bytes",
    ),
    "a lone surrogate": (
        r"""UPDATE {} SET input_data = '{{"title": "\ud800"}}' WHERE id = 5""",
        "its input_data contains a lone surrogate",
    ),
    "a year that Python does not know": (
        "UPDATE {} SET created_at = '12345-01-01' WHERE id = 5",
        "its created_at is 12345-01-01 00:00:00+00, which cannot be",
    ),
    "a year before all": (
        "UPDATE {} SET completed_at = '0044-03-15 BC' WHERE id = 5",
        "which cannot be: correct it",
    ),
    "no action": (
        (
            "ALTER TABLE {0} ALTER action_type_id DROP NOT NULL; "
            "UPDATE {0} SET action_type_id = NULL WHERE id = 5"
        ),
        "it names no action type: fill one in",
    ),
    "a negative number": (
        "UPDATE {} SET retry_count = -1 WHERE id = 5",
        "its retry_count is -1",
    ),
}


class TestBadInput:
    @pytest.mark.parametrize(("change", "said"), BAD.values(), ids=BAD.keys())
    def test_a_row_that_cannot_be_read_is_named_and_the_rest_is_taken_over(
        self, moved: Database, change: str, said: str
    ) -> None:
        run(moved, change.format("user_2.marketplace_jobs"))

        report = take_over(moved)

        (one,) = report.skipped
        assert str(one).startswith("user_2.marketplace_jobs 5: ")
        assert said in one.reason
        assert len(rows(moved, TAKEN)) == 26

    def test_a_status_that_is_none_is_named(self, moved: Database) -> None:
        run(
            moved,
            "ALTER TYPE user_1.job_status ADD VALUE 'stuck'",
        )
        run(moved, "UPDATE user_1.marketplace_jobs SET status = 'stuck' WHERE id = 1")

        report = take_over(moved)

        (told,) = map(str, report.skipped)
        assert told == (
            "user_1.marketplace_jobs 1: its status is 'stuck', which is none of pending, running, "
            "paused, completed, failed, cancelled, expired: correct it, and import again"
        )

    def test_a_schema_without_the_tables_is_named(self, moved: Database) -> None:
        run(moved, "CREATE SCHEMA user_x; DROP TABLE user_37.marketplace_jobs")

        report = take_over(moved)

        assert sorted(str(one) for one in report.skipped) == [
            "user_37.marketplace_jobs: there is no such table",
            "user_x.batch_jobs: there is no such table",
            "user_x.marketplace_jobs: there is no such table",
            "user_x: its name is not that of a seller's schema, such as user_1",
        ]
        assert len(rows(moved, TAKEN)) == 18

    def test_a_table_without_what_is_needed_is_named(self, moved: Database) -> None:
        run(
            moved,
            "ALTER TABLE user_1.marketplace_jobs RENAME COLUMN action_type_id TO action",
        )

        report = take_over(moved)

        assert [str(one) for one in report.skipped] == [
            "user_1.marketplace_jobs: it has no column action_type_id that can be read"
        ]

    def test_ids_that_are_none_or_another_rows_are_named(self, moved: Database) -> None:
        run(
            moved,
            "ALTER TABLE user_1.marketplace_jobs DROP CONSTRAINT marketplace_jobs_pkey, "
            "ALTER id DROP NOT NULL; "
            "INSERT INTO user_1.marketplace_jobs (id, marketplace, action_type_id) "
            "VALUES (NULL, 'vinted', 11), (5, 'vinted', 11)",
        )

        report = take_over(moved, "user_1")

        assert sorted(str(one) for one in report.skipped) == [
            (
                "user_1.marketplace_jobs 5: 2 rows have that id: give each one of its own, and "
                "import again"
            ),
            (
                "user_1.marketplace_jobs: 1 rows have no id: give each one of its own, and import "
                "again"
            ),
        ]
        assert report.jobs.total() == 8

    def test_a_table_that_cannot_be_read_is_named(self, moved: Database, moved_url: URL) -> None:
        """A column that the importing user may not see, and a schema that he may not enter."""
        run(
            moved,
            f"""
            CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA user_1, user_2, {SCHEMA} TO clerk;
            GRANT ALL ON ALL TABLES IN SCHEMA user_2, {SCHEMA}, public TO clerk;
            GRANT ALL ON ALL SEQUENCES IN SCHEMA {SCHEMA} TO clerk;
            GRANT SELECT (id, status) ON user_1.marketplace_jobs TO clerk;
            GRANT SELECT ON user_1.batch_jobs TO clerk;
            """,
        )
        clerk = Database(moved_url.set(username="clerk"))
        try:
            report = take_over(clerk)
        finally:
            clerk.dispose()
            run(moved, "DROP OWNED BY clerk; DROP ROLE clerk")

        why = "put that right, and import again"
        assert sorted(str(one) for one in report.skipped) == [
            (
                "user_1.marketplace_jobs: it cannot be read (permission denied for table "
                f"marketplace_jobs): {why}"
            ),
            f"user_37: it cannot be read (permission denied for schema user_37): {why}",
        ]
        assert (report.jobs.total(), report.batches) == (9, 4)

    def test_what_is_large_is_read_a_little_at_a_time_and_what_is_huge_not_at_all(
        self, moved: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tables, "PAGE_BYTES", 10)
        run(
            moved,
            "UPDATE user_1.marketplace_jobs SET error_message = repeat('x', 50000001) WHERE id = 5",
        )
        with moved.session() as session:
            table = tables.former_table(session, "user_1", "marketplace_jobs")
            assert table is not None
            assert len(tables.read_page(session, table, None, 500)) == 1

        (told,) = map(str, take_over(moved, "user_1").skipped)

        assert told == (
            "user_1.marketplace_jobs 5: its error_message has 50000001 bytes, which cannot be: "
            "correct it, and import again"
        )
        assert len(rows(moved, TAKEN)) == 8

    def test_names_of_schemas_are_read_to_the_letter(self, moved: Database) -> None:
        """A percent sign is one, a copy is not the seller of its last digits."""
        run(
            moved,
            """
            ALTER SCHEMA user_37 RENAME TO "user%_37"; ALTER SCHEMA user_2 RENAME TO "u:s""er_2";
            CREATE SCHEMA copy_1; CREATE TABLE copy_1.marketplace_jobs AS
                SELECT * FROM user_1.marketplace_jobs;
            CREATE SCHEMA user_1_copy_9; CREATE SCHEMA user_01;
            CREATE SCHEMA user_99999999999999999999;
            """,
        )

        report = take_over(moved, "*_*")

        assert report.schemas == ["copy_1", 'u:s"er_2', "user%_37"]
        told = {one.schema: one.reason for one in report.skipped if one.table is None}
        assert told.pop("user_1") == (
            "it is of user 1, as copy_1 is: narrow --schemas to one of them"
        )
        assert {one for one in told if one.startswith("user_")} == {
            "user_01", "user_1_copy_9", "user_99999999999999999999",
        }  # fmt: skip
        assert report.jobs.total() == 27

    def test_a_pattern_that_matches_nothing_is_named(self, moved: Database) -> None:
        with pytest.raises(InputError, match="no schema is called 'seller_"):
            take_over(moved, "seller_*")

    def test_a_batch_that_cannot_be_read_leaves_its_jobs_alone(self, moved: Database) -> None:
        run(moved, "UPDATE user_1.batch_jobs SET action_code = 'juggle' WHERE id = 1")

        report = take_over(moved, "user_1")

        (told,) = map(str, report.skipped)
        assert told == (
            "user_1.batch_jobs 1: it names the action juggle on vinted, which does not exist: "
            "correct it, and import again"
        )
        assert "user_1.marketplace_jobs 5: its batch 1 was not taken over" in report.notes
        assert report.jobs.total() == 9
