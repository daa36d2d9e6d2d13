"""The service dies around the commits of schedules and batches; each fires, and closes, once."""

import signal
from typing import Any

import pytest
from sqlalchemy import text

from runtime.applications import BatchJobService, MarketplaceJobService
from runtime.jobs.schedule_service import ScheduleService
from runtime.storage.models import SCHEMA, Product
from tests.chaos.stage import Stage, Staged
from tests.chaos.verdict import wrong_with
from tests.support.deadline import wait_until

KILLED = -signal.SIGKILL
PATIENCE = 30.0

MOMENTS = pytest.mark.parametrize("moment", ["before", "after"])


@MOMENTS
def test_a_schedule_fires_once(staged: Staged, moment: str) -> None:
    with staged(lambda _reference, _count: "well") as stage:
        add_due_schedule(stage, "scheduled")
        assert stage.start(RUNTIME_FAULT=f"schedule.{moment}_commit").death() == KILLED
        assert len(stage.jobs()) == (moment == "after")
        stage.start()
        wait_until(stage.jobs, PATIENCE)
        stage.wait_quiet(PATIENCE)
        (job,) = stage.rows(f"SELECT id FROM {SCHEMA}.marketplace_jobs")
        assert not wrong_with(stage, {"scheduled": "publish"})
        (row,) = stage.rows(f"SELECT * FROM {SCHEMA}.job_schedules")
        assert row["last_job_id"] == job["id"]
        assert row["next_run_at"] > row["last_run_at"]


@MOMENTS
@pytest.mark.parametrize("point", ["settle", "close-batches"])
def test_a_batch_closes_with_the_right_counts(staged: Staged, moment: str, point: str) -> None:
    with staged(lambda _reference, _count: "well") as stage:
        batch, second = add_batch(stage, "first", "second")
        service = stage.start(RUNTIME_FAULT=f"{point}.{moment}_commit@2")
        # The second job waits for the end of the first: side by side they may end in one commit.
        wait_until(
            lambda: service.ended() or stage.jobs()["first"]["status"] == "completed", PATIENCE
        )
        with stage.database.session.begin() as session:
            MarketplaceJobService(session).resume_job(second)
        assert service.death() == KILLED
        stage.start()
        row = wait_until(lambda: closed(stage, batch), PATIENCE)
        assert (row["status"], row["counts"]["completed"], row["counts"]["total"]) == (
            "completed", 2, 2,
        )  # fmt: skip
        assert not wrong_with(stage, {"first": "publish", "second": "publish"})


def add_due_schedule(stage: Stage, reference: str) -> None:
    shop = shop_of(stage)
    with stage.database.session.begin() as session:
        ScheduleService(session).add_schedule(
            "yearly", "0 0 1 1 *", "chaos", "publish", shop_id=shop,
            input_data={"reference": reference},
        )  # fmt: skip
        session.execute(text(f"UPDATE {SCHEMA}.job_schedules SET next_run_at = now()"))


def add_batch(stage: Stage, first: str, second: str) -> tuple[int, int]:
    """A batch of two jobs, the second of them paused; returns the batch and that job."""
    shop = shop_of(stage)
    with stage.database.session.begin() as session:
        product = Product(user_id=7, sku="A1", title="Dress", data={})
        session.add(product)
        session.flush()
        batch = BatchJobService(session).create_batch_job(
            "chaos", "publish", [product.id], shop_id=shop, input_data={"reference": first}
        )
        jobs = MarketplaceJobService(session)
        job = jobs.create_job(
            "chaos", "publish", batch_job_id=batch.id, shop_id=shop,
            input_data={"reference": second},
        )  # fmt: skip
        jobs.pause_job(job.id)
        return batch.id, job.id


def shop_of(stage: Stage) -> int:
    with stage.database.session.begin() as session:
        return MarketplaceJobService(session).add_shop("chaos", 7, "shop-7").id


def closed(stage: Stage, batch_id: int) -> dict[str, Any] | None:
    (row,) = stage.rows(f"SELECT * FROM {SCHEMA}.batch_jobs WHERE id = :id", id=batch_id)
    return row if row["completed_at"] is not None else None
