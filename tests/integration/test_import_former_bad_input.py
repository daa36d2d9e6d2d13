"""What cannot be taken over is named; the rest is taken over."""

import pytest

from runtime.errors import InputError
from runtime.storage.engine import Database
from tests.integration.migrating import rows, run
from tests.integration.taking_over import (
    TAKEN,
    migrated_former_database,
    take_over,
)


@pytest.fixture
def moved(empty_database: Database) -> Database:
    """A former installation, migrated."""
    return migrated_former_database(empty_database)


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

        (one,) = report.refused
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

        (told,) = map(str, report.refused)
        assert told == (
            "user_1.marketplace_jobs 1: its status is 'stuck', which is none of pending, running, "
            "paused, completed, failed, cancelled, expired"
        )

    def test_a_schema_without_the_tables_is_named(self, moved: Database) -> None:
        run(moved, "CREATE SCHEMA user_x; DROP TABLE user_37.marketplace_jobs")

        report = take_over(moved)

        assert [str(one) for one in report.refused] == [
            "user_37.marketplace_jobs: there is no such table",
            "user_x.batch_jobs: there is no such table",
            "user_x.marketplace_jobs: there is no such table",
            "user_x: its name does not end in a user's id",
        ]
        assert len(rows(moved, TAKEN)) == 18

    def test_a_table_without_what_is_needed_is_named(self, moved: Database) -> None:
        run(
            moved,
            "ALTER TABLE user_1.marketplace_jobs RENAME COLUMN action_type_id TO action",
        )

        report = take_over(moved)

        assert [str(one) for one in report.refused] == [
            "user_1.marketplace_jobs: it has no column action_type_id that can be read"
        ]

    def test_a_pattern_that_matches_nothing_is_named(self, moved: Database) -> None:
        with pytest.raises(InputError, match="no schema is called 'seller_"):
            take_over(moved, "seller_*")

    def test_a_batch_that_cannot_be_read_leaves_its_jobs_alone(self, moved: Database) -> None:
        run(moved, "UPDATE user_1.batch_jobs SET action_code = 'juggle' WHERE id = 1")

        report = take_over(moved, "user_1")

        assert [str(one) for one in report.refused] == [
            "user_1.batch_jobs 1: it names the action juggle on vinted, which does not exist"
        ]
        assert "user_1.marketplace_jobs 5: its batch 1 was not taken over" in report.notes
        assert report.jobs.total() == 9
