"""Taking over from the former system: every job, row by row, once, and back again."""

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import URL

from runtime.errors import DatabaseConflict
from runtime.storage.former_system.imported_rows import import_lock, take_back
from runtime.storage.models import SCHEMA
from runtime.storage.server.engine import Database
from tests.support.database.former_database import former_database
from tests.support.database.migrating import down, rows, run, tables, up
from tests.support.database.taking_over import (
    ACTIONS,
    SHOP_OF,
    STATUSES,
    TAKEN,
    state,
    take_over,
)
from tests.support.processes.commands import on_database, refused


class TestEveryRow:
    def test_every_job_of_every_seller_keeps_its_action_and_its_status(
        self, moved: Database
    ) -> None:
        report = take_over(moved)

        expected = [
            (schema, number, user_id, *ACTIONS[number], STATUSES[number])
            for schema, user_id in (("user_1", 1), ("user_2", 2), ("user_37", 37))
            for number in range(1, 10)
        ]
        assert rows(moved, TAKEN) == expected
        assert report.skipped == []
        assert report.jobs == {
            "pending": 6, "paused": 6, "expired": 6, "completed": 3, "failed": 3, "cancelled": 3,
        }  # fmt: skip
        assert report.batches == 6

    @pytest.mark.parametrize("schema", ["user_1", "user_2", "user_37"])
    def test_history_comes_along_to_the_letter(self, moved: Database, schema: str) -> None:
        take_over(moved)

        same = rows(
            moved,
            f"""
            SELECT old.id FROM {schema}.marketplace_jobs old
            JOIN {SCHEMA}.former_rows former ON former.former_id = old.id
                AND former.schema_name = '{schema}' AND former.table_name = 'marketplace_jobs'
            JOIN {SCHEMA}.marketplace_jobs job ON job.id = former.new_id
            WHERE job.input_data = coalesce(old.input_data::jsonb, '{{}}')
                AND job.result_data IS NOT DISTINCT FROM old.result_data
                AND job.retry_count = old.retry_count AND job.created_at = old.created_at
                AND job.started_at IS NOT DISTINCT FROM old.started_at
                AND job.expires_at IS NOT DISTINCT FROM old.expires_at
                AND (job.completed_at IS NOT DISTINCT FROM old.completed_at OR old.id = 2)
                AND (job.error_message IS NOT DISTINCT FROM old.error_message OR old.id = 2)
                AND job.priority = coalesce(old.priority, job.priority)
                AND job.max_retries = coalesce(old.max_retries, job.max_retries)
                AND job.idempotency_key IS NOT DISTINCT FROM old.idempotency_key
            ORDER BY 1
            """,
        )
        assert [one for (one,) in same] == list(range(1, 10))

    def test_what_ran_waits_for_a_person_and_says_so(self, moved: Database) -> None:
        take_over(moved)

        ((job_id, reason),) = rows(
            moved,
            f"SELECT job.id, job.waiting_reason FROM {SCHEMA}.marketplace_jobs job "
            f"JOIN {SCHEMA}.former_rows former ON former.new_id = job.id "
            "WHERE schema_name = 'user_1' AND table_name = 'marketplace_jobs' AND former_id = 3",
        )
        assert reason.startswith("it was running in the former system (user_1.marketplace_jobs 3)")
        assert f"`python run.py jobs resume {job_id}`" in reason

    def test_what_was_tried_before_is_named(self, moved: Database) -> None:
        run(moved, "UPDATE user_1.marketplace_jobs SET retry_count = 1 WHERE id IN (6, 9)")

        notes = [one for one in take_over(moved, "user_1").notes if "it was tried" in one]

        assert [one.partition(":")[0] for one in notes] == ["user_1.marketplace_jobs 9"]

    def test_batches_keep_their_jobs_and_those_that_never_closed_are_closed(
        self, moved: Database
    ) -> None:
        take_over(moved)

        found = rows(
            moved,
            f"""
            SELECT former.former_id, batch.status, batch.counts ->> 'total',
                count(job.id), batch.completed_at < now() - interval '30 minutes'
            FROM {SCHEMA}.batch_jobs batch
            JOIN {SCHEMA}.former_rows former ON former.new_id = batch.id
                AND former.table_name = 'batch_jobs' AND former.schema_name = 'user_2'
            LEFT JOIN {SCHEMA}.marketplace_jobs job ON job.batch_job_id = batch.id
            GROUP BY 1, 2, 3, 5 ORDER BY 1
            """,
        )
        assert found == [(1, "completed", "1", 1, True), (2, "failed", "2", 2, True)]

    def test_what_waits_can_be_told_to_wait_however_long(self, moved: Database) -> None:
        report = take_over(moved, "user_1", expires=False)

        assert (report.jobs["pending"], report.jobs["expired"]) == (3, 1)
        assert rows(
            moved, f"SELECT count(*) FROM {SCHEMA}.marketplace_jobs WHERE expires_at IS NOT NULL"
        ) == [(0,)]

    def test_columns_that_have_no_place_are_named(self, moved: Database) -> None:
        report = take_over(moved, "user_2")

        assert "user_2.batch_jobs: columns that stay behind: batch_id, started_at" in report.notes


class TestTwice:
    def test_twice_is_the_same_as_once(self, moved: Database) -> None:
        take_over(moved)
        before = state(moved)

        again = take_over(moved)

        assert state(moved) == before
        assert (again.jobs.total(), again.batches, again.known) == (0, 0, 33)

    def test_what_came_since_is_taken_over_too(self, moved: Database) -> None:
        take_over(moved)
        run(
            moved,
            "INSERT INTO user_2.marketplace_jobs (marketplace, action_type_id) "
            "VALUES ('vinted', 11)",
        )

        assert take_over(moved).jobs == {"pending": 1}
        assert rows(moved, TAKEN)[18][1:5] == (10, 2, "vinted", "sync")

    def test_what_was_removed_since_stays_away(self, moved: Database) -> None:
        take_over(moved)
        run(moved, f"DELETE FROM {SCHEMA}.marketplace_jobs WHERE status = 'completed'")

        assert take_over(moved).jobs.total() == 0

    def test_a_second_import_beside_the_first_is_refused(self, moved: Database) -> None:
        with (
            import_lock(moved),
            pytest.raises(DatabaseConflict, match="another import-former is at work"),
        ):
            take_over(moved)

    def test_the_next_can_begin_as_soon_as_one_has_ended(self, moved: Database) -> None:
        for _ in range(50):
            with import_lock(moved):
                pass

    def test_one_that_was_cut_off_goes_on_where_it_stood(
        self, moved: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("runtime.takeover.former_schema.PAGE", 2)
        looked = 0

        def cut_off(count: int) -> None:
            nonlocal looked
            looked += count
            if looked > 15:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            take_over(moved, progress=cut_off)
        assert 0 < len(rows(moved, TAKEN)) < 27

        take_over(moved)

        assert len(rows(moved, TAKEN)) == 27
        assert rows(
            moved, f"SELECT count(*) FROM {SCHEMA}.batch_jobs WHERE completed_at IS NULL"
        ) == [(0,)]


class TestDryRun:
    def test_it_tells_the_same_and_changes_nothing(self, moved: Database) -> None:
        before = state(moved)

        planned = take_over(moved, dry_run=True)

        assert state(moved) == before
        done = take_over(moved)
        assert (planned.jobs, planned.batches, planned.skipped) == (
            done.jobs, done.batches, done.skipped,
        )  # fmt: skip


FORMER = {
    "types": "SELECT id, code, name, coalesce(rate_limit_ms, 2000) FROM vinted.action_types",
    **{
        schema: f"SELECT id, action_type_id, status::text, input_data::text, result_data, priority "
        f"FROM {schema}.marketplace_jobs ORDER BY id"
        for schema in ("user_1", "user_2", "user_37")
    },
}


class TestWayBack:
    def test_downgrading_brings_the_former_tables_back_as_they_were(
        self, empty_database: Database
    ) -> None:
        run(empty_database, former_database())
        run(empty_database, "DROP TABLE public.marketplace_action_types")
        before = {name: rows(empty_database, query) for name, query in FORMER.items()}
        was_there = tables(empty_database)
        up(empty_database)
        take_over(empty_database)
        with pytest.raises(DatabaseConflict, match="have not ended, and would be lost"):
            down(empty_database, "base")

        with empty_database.session.begin() as session:
            assert take_back(session, ["user_1", "user_2", "user_37"]) == (27, 6, [])
        down(empty_database, "base")

        after = {name: rows(empty_database, query) for name, query in FORMER.items()}
        # Actions that were missing were added; nothing else changed.
        assert set(before.pop("types")) <= set(after.pop("types"))
        assert after == before
        # The migrated database is left empty, as Alembic leaves it.
        assert tables(empty_database) == [(SCHEMA, "alembic_version"), *was_there]

    def test_what_has_run_since_stays(self, moved: Database) -> None:
        take_over(moved)
        done = "SET fence = 1, status = 'completed', completed_at = now()"
        run(
            moved,
            f"UPDATE {SCHEMA}.marketplace_jobs {done} WHERE user_id = 2 AND status = 'pending'; "
            f"DELETE FROM {SCHEMA}.marketplace_jobs WHERE user_id = 2 AND status = 'completed' "
            "AND NOT result_data IS NULL; "
            f"DELETE FROM {SCHEMA}.marketplace_jobs WHERE user_id = 2 AND status = 'paused' "
            "AND priority = 1",
        )

        with moved.session.begin() as session:
            jobs, batches, stayed = take_back(session, ["user_1", "user_2"])

        # Its third is gone here, and not known to have ended there; its fifth had ended there.
        assert (jobs, batches) == (14, 4)
        assert [(one.schema, one.id, one.status) for one in stayed] == [
            ("user_2", 1, "completed"), ("user_2", 3, None), ("user_2", 9, "completed"),
        ]  # fmt: skip


class TestCommand:
    @pytest.fixture
    def command(self, moved_url: URL, tmp_path: Any) -> Callable[..., Any]:
        return on_database(tmp_path, moved_url).run

    def test_it_needs_the_tables(self, empty_database_url: URL, tmp_path: Any) -> None:
        assert "run `python run.py migrate`" in refused(
            on_database(tmp_path, empty_database_url).run(
                "import-former", "--schemas", "user_*", check=False
            )
        )

    def test_one_summary_and_exit_code_3_where_something_was_left_out(
        self, command: Any, moved: Database
    ) -> None:
        run(moved, "UPDATE user_2.marketplace_jobs SET action_type_id = 99 WHERE id = 5")
        shops = [part for one in SHOP_OF for part in ("--shop-of", one)]

        plan = command("import-former", "--schemas", "user_*", *shops, "--dry-run", check=False)
        done = command("import-former", "--schemas", "user_*", *shops, check=False)

        assert (plan.returncode, done.returncode) == (3, 3)
        assert plan.stdout.splitlines()[0] == (
            "3 schemas: 26 jobs would be taken over (3 cancelled, 2 completed, 6 expired, 3 failed,"
            " 6 paused, 6 pending), 6 batches; 0 rows were here already, 1 were left out"
        )
        assert done.stdout == plan.stdout.replace("would be taken over", "taken over")
        assert done.stderr.startswith("error: user_2.marketplace_jobs 5: it names action type 99")
        again = command("import-former", "--schemas", "user_*", "--json", check=False)
        assert json.loads(again.stdout)["known"] == 32
        undone = command("import-former", "--schemas", "user_*", "--undo")
        assert undone.stdout == ("26 jobs and 6 batches removed; 0 jobs have run since, and stay\n")

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_death_at_a_commit_costs_nothing(
        self, moved: Database, moved_url: URL, tmp_path: Any, moment: str
    ) -> None:
        shops = [part for one in SHOP_OF for part in ("--shop-of", one)]
        arguments = ("import-former", "--schemas", "user_*", *shops)
        installation = on_database(tmp_path, moved_url)

        def dies(fault: str, *command: str) -> None:
            died = installation.run(*command, check=False, more={"RUNTIME_FAULT": fault})
            assert died.returncode == -signal.SIGKILL

        for count in (2, 4, 6):
            dies(f"former-import.{moment}_commit@{count}", *arguments)
        installation.run(*arguments)

        assert len(rows(moved, TAKEN)) == 27
        assert rows(moved, f"SELECT count(*), count(completed_at) FROM {SCHEMA}.batch_jobs") == [
            (6, 6)
        ]
        undo = ("import-former", "--schemas", "user_*", "--undo")
        dies(f"former-undo.{moment}_commit", *undo)
        assert len(rows(moved, TAKEN)) == (27 if moment == "before" else 0)

    def test_a_database_of_a_later_version_is_refused(self, command: Any, moved: Database) -> None:
        run(moved, f"UPDATE {SCHEMA}.alembic_version SET version_num = '20990101_0000'")

        assert "which this version does not know" in refused(
            command("import-former", "--schemas", "user_*", check=False)
        )
