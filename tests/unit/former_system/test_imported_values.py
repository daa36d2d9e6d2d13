"""The columns of our rows: what a former job or batch becomes, and why it waits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runtime.former_system.imported_values import Surroundings, batch_values, job_values
from runtime.former_system.row_reader import FormerBatch, FormerJob, KnownAction
from runtime.runs.batch_status import BatchStatus
from runtime.runs.job_states import JobStatus

NOW = datetime(2026, 1, 9, 12, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)
PUBLISH = KnownAction(4, "vinted", "publish", 3, 2)
JOB = FormerJob(
    id=7,
    action=PUBLISH,
    was=JobStatus.PENDING,
    status=JobStatus.PENDING,
    priority=2,
    input_data={"title": "coat"},
    result_data=None,
    error_message=None,
    retry_count=1,
    max_retries=5,
    product_id=None,
    batch_id=None,
    shop_id=3,
    idempotency_key="former key",
    created_at=EARLIER,
    run_at=EARLIER,
    started_at=None,
    completed_at=None,
    expires_at=None,
)
AROUND = Surroundings(user_id=1, shop=12, product=None, batch=None, key=None)


def columns(job: FormerJob, around: Surroundings = AROUND) -> dict[str, Any]:
    return job_values("user_1", "marketplace_jobs", job, 31, around, NOW)


def test_a_job_gets_the_ids_of_here_and_keeps_its_own_values() -> None:
    around = Surroundings(user_id=1, shop=12, product=13, batch=14, key="key")
    assert columns(JOB, around) == {
        "id": 31, "marketplace": "vinted", "action_type_id": 4, "user_id": 1, "shop_id": 12,
        "product_id": 13, "product_key": "id:13", "batch_job_id": 14, "idempotency_key": "key",
        "status": "pending", "priority": 2, "input_data": {"title": "coat"}, "result_data": None,
        "error_message": None, "retry_count": 1, "max_retries": 5, "waiting_reason": None,
        "created_at": EARLIER, "run_at": EARLIER, "started_at": None, "completed_at": None,
        "expires_at": None, "expiry_held_since": None,
    }  # fmt: skip


PRODUCT_KEYS: dict[str, tuple[FormerJob, int | None, str | None]] = {
    "a product that is here": (replace(JOB, product_id=9), 13, "id:13"),
    "a product in the job": (
        replace(JOB, product_id=9, input_data={"product": {"sku": "A1"}}), None, "sku:A1",
    ),
    "a product that is not here": (replace(JOB, product_id=9), None, "former:9"),
    "no product": (JOB, None, None),
}  # fmt: skip


@pytest.mark.parametrize("kind", PRODUCT_KEYS)
def test_jobs_of_one_former_product_get_one_key_that_no_product_of_here_has(kind: str) -> None:
    job, product, key = PRODUCT_KEYS[kind]
    assert columns(job, replace(AROUND, product=product))["product_key"] == key


HELD: dict[str, tuple[FormerJob, str]] = {
    "ran": (
        replace(JOB, was=JobStatus.RUNNING, status=JobStatus.PAUSED),
        "it was running in the former system (user_1.marketplace_jobs 7) when it was taken over",
    ),
    "was paused": (
        replace(JOB, was=JobStatus.PAUSED, status=JobStatus.PAUSED),
        "it was paused in the former system",
    ),
    "lacks its product": (
        replace(JOB, product_id=9),
        "its product (9 in user_1) is not here: import it with",
    ),
}


@pytest.mark.parametrize("kind", HELD)
def test_a_job_that_waits_for_a_person_says_why_and_its_time_stands_still(kind: str) -> None:
    job, reason = HELD[kind]
    values = columns(job)
    assert values["status"] == "paused"
    assert values["waiting_reason"].startswith(reason)
    assert values["expiry_held_since"] == NOW


GOES_ON: dict[str, tuple[FormerJob, Surroundings]] = {
    "it names no product": (JOB, AROUND),
    "its product is here": (replace(JOB, product_id=9), replace(AROUND, product=13)),
    "its product stands in it": (
        replace(JOB, product_id=9, input_data={"product": {"sku": "A1"}}),
        AROUND,
    ),
}


@pytest.mark.parametrize("kind", GOES_ON)
def test_a_waiting_job_goes_on_waiting_if_its_product_is_known(kind: str) -> None:
    values = columns(*GOES_ON[kind])
    assert (values["status"], values["waiting_reason"]) == ("pending", None)
    assert values["expiry_held_since"] is None


def test_a_job_that_is_over_is_not_held_for_its_product() -> None:
    over = replace(JOB, product_id=9, was=JobStatus.FAILED, status=JobStatus.FAILED)
    assert columns(over)["status"] == "failed"


EXPIRED = replace(JOB, status=JobStatus.EXPIRED, expires_at=EARLIER)
MESSAGES: dict[str, tuple[FormerJob, str | None]] = {
    "its time ran out before the import": (
        EXPIRED,
        "its time ran out in the former system (2026-01-09T11:00:00+00:00)",
    ),
    "it had a message of its own": (replace(EXPIRED, error_message="no stock"), "no stock"),
    "it expired there": (replace(EXPIRED, was=JobStatus.EXPIRED), None),
    "it ran": (replace(JOB, was=JobStatus.RUNNING, status=JobStatus.PAUSED), None),
}


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_job_that_expires_by_its_import_says_so(kind: str) -> None:
    job, message = MESSAGES[kind]
    assert columns(job)["error_message"] == message


@pytest.mark.parametrize(
    ("over", "cancelled"),
    [(None, False), (BatchStatus.COMPLETED, False), (BatchStatus.CANCELLED, True)],
)
def test_a_batch_that_was_cancelled_there_is_cancelled_here(
    over: BatchStatus | None, cancelled: bool
) -> None:
    batch = FormerBatch(6, PUBLISH, over, 2, 1, EARLIER, NOW, {"completed": 2})
    assert batch_values(batch, 32) == {
        "id": 32, "marketplace": "vinted", "action_type_id": 4, "created_by_user_id": 1,
        "priority": 2, "cancel_requested": cancelled, "created_at": EARLIER,
    }  # fmt: skip
