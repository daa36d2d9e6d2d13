"""A second import: what changed in the former system since the first, and what came late."""

from runtime.storage.models import SCHEMA
from runtime.storage.queue import job_events
from runtime.storage.queue.expiry import expire_jobs
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_product
from tests.support.database.migrating import rows, run
from tests.support.database.taking_over import state, take_over

JOBS = f"""
    SELECT former_id, status, waiting_reason FROM {SCHEMA}.marketplace_jobs job
    JOIN {SCHEMA}.former_rows ON new_id = job.id AND table_name = 'marketplace_jobs'
    WHERE schema_name = 'user_1' AND former_id IN ({{}}) ORDER BY 1
"""
BATCHES = f"""
    SELECT former_id, batch.status, count(job.id) FROM {SCHEMA}.batch_jobs batch
    JOIN {SCHEMA}.former_rows ON new_id = batch.id AND table_name = 'batch_jobs'
    LEFT JOIN {SCHEMA}.marketplace_jobs job ON job.batch_job_id = batch.id
    GROUP BY 1, 2 ORDER BY 1
"""


def new_id(database: Database, former_id: int) -> int:
    found: int = rows(
        database,
        f"SELECT new_id FROM {SCHEMA}.former_rows WHERE schema_name = 'user_1' "
        f"AND table_name = 'marketplace_jobs' AND former_id = {former_id}",
    )[0][0]
    return found


class TestWhatChangedThere:
    def test_a_job_that_went_on_there_is_named_and_does_not_start_here(
        self, moved: Database
    ) -> None:
        take_over(moved, "user_1")
        run(
            moved,
            "UPDATE user_1.marketplace_jobs SET status = 'completed' WHERE id = 1; "
            "UPDATE user_1.marketplace_jobs SET priority = 1 WHERE id = 9; "
            "UPDATE user_1.batch_jobs SET status = 'failed' WHERE id = 2",
        )
        before = state(moved)
        planned = take_over(moved, "user_1", dry_run=True)
        assert state(moved) == before

        report = take_over(moved, "user_1")

        first, ninth = new_id(moved, 1), new_id(moved, 9)
        batch = rows(
            moved,
            f"SELECT new_id FROM {SCHEMA}.former_rows WHERE table_name = 'batch_jobs' "
            "AND former_id = 2",
        )[0][0]
        assert [str(one) for one in report.changed] == [
            (
                "user_1.batch_jobs 2: it was running and is failed there since it was taken "
                f"over as {batch}"
            ),
            (
                "user_1.marketplace_jobs 1: it was pending and is completed there since it was "
                f"taken over as {first}"
            ),
            f"user_1.marketplace_jobs 9: it was changed there since it was taken over as {ninth}",
        ]
        assert planned.changed == report.changed
        (held, kept) = rows(moved, JOBS.format("1, 9"))
        assert held[:2] == (1, "paused")
        assert held[2].startswith(
            "it went on in the former system after it was taken over (user_1.marketplace_jobs 1: "
            "pending, then completed)"
        )
        assert kept == (9, "pending", None)

        # Once resumed by a person it is not held again.
        with moved.session.begin() as session:
            job_events.resume(session, first)
        assert take_over(moved, "user_1").changed == []
        assert rows(moved, JOBS.format(1)) == [(1, "pending", None)]

    def test_one_that_waited_for_its_product_is_not_let_go(self, moved: Database) -> None:
        run(moved, "UPDATE user_1.marketplace_jobs SET product_id = 5 WHERE id = 1")
        take_over(moved, "user_1")
        run(moved, "UPDATE user_1.marketplace_jobs SET status = 'running' WHERE id = 1")
        add_product(moved, "X-5", user_id=1, attributes={"former_id": "5"})

        take_over(moved, "user_1")

        assert rows(moved, JOBS.format(1))[0][1] == "paused"

    def test_one_that_has_begun_here_is_only_named(self, moved: Database) -> None:
        take_over(moved, "user_1")
        run(
            moved,
            f"UPDATE {SCHEMA}.marketplace_jobs SET fence = 1, status = 'completed', "
            f"completed_at = now() WHERE id = {new_id(moved, 1)}; "
            "UPDATE user_1.marketplace_jobs SET status = 'completed' WHERE id = 1",
        )

        assert len(take_over(moved, "user_1").changed) == 1
        assert rows(moved, JOBS.format(1))[0][1] == "completed"

    def test_what_was_taken_over_by_an_earlier_version_is_noted_now(self, moved: Database) -> None:
        take_over(moved, "user_1")
        run(moved, f"UPDATE {SCHEMA}.former_rows SET fingerprint = NULL, former_status = NULL")
        run(moved, "UPDATE user_1.marketplace_jobs SET priority = 1 WHERE id = 9")
        assert take_over(moved, "user_1").changed == []
        run(moved, "UPDATE user_1.marketplace_jobs SET priority = 2 WHERE id = 9")

        assert len(take_over(moved, "user_1").changed) == 1


class TestWhatCameLate:
    def test_a_batch_that_is_put_right_gets_its_jobs(self, moved: Database) -> None:
        run(
            moved,
            "UPDATE user_1.batch_jobs SET action_code = 'juggle'; "
            "UPDATE user_1.marketplace_jobs SET batch_job_id = 2 WHERE id = 9",
        )
        take_over(moved, "user_1")
        run(moved, "UPDATE user_1.batch_jobs SET action_code = 'publish'")

        take_over(moved, "user_1")

        assert rows(moved, BATCHES) == [(1, "completed", 1), (2, None, 3)]

    def test_a_batch_whose_job_came_later_is_open_again(self, moved: Database) -> None:
        run(
            moved,
            "UPDATE user_1.marketplace_jobs SET batch_job_id = 2, input_data = '[]' WHERE id = 9",
        )
        take_over(moved, "user_1")
        assert rows(moved, BATCHES)[1] == (2, "failed", 2)
        run(moved, "UPDATE user_1.marketplace_jobs SET input_data = '{}' WHERE id = 9")

        take_over(moved, "user_1")

        assert rows(moved, BATCHES)[1] == (2, None, 3)


class TestTimeToExpire:
    def test_what_was_paused_there_has_time_when_it_is_resumed(self, moved: Database) -> None:
        run(
            moved,
            "UPDATE user_1.marketplace_jobs SET expires_at = now() - interval '1 minute' "
            "WHERE id = 4",
        )
        take_over(moved, "user_1")

        with moved.session.begin() as session:
            job_events.resume(session, new_id(moved, 4))
            expire_jobs(session, "vinted", [])

        assert rows(moved, JOBS.format(4)) == [(4, "pending", None)]

    def test_the_time_of_a_job_stands_still_until_its_product_is_here(
        self, moved: Database
    ) -> None:
        run(moved, "UPDATE user_1.marketplace_jobs SET product_id = 5 WHERE id = 1")
        take_over(moved, "user_1")
        later = "- interval '2 hours'"
        run(
            moved,
            f"UPDATE {SCHEMA}.marketplace_jobs SET expires_at = expires_at {later}, "
            f"expiry_held_since = expiry_held_since {later}, created_at = created_at {later} "
            f"WHERE id = {new_id(moved, 1)}",
        )
        add_product(moved, "X-5", user_id=1, attributes={"former_id": "5"})

        take_over(moved, "user_1")
        with moved.session.begin() as session:
            expire_jobs(session, "vinted", [])

        assert rows(moved, JOBS.format(1)) == [(1, "pending", None)]
