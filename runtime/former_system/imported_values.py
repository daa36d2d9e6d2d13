"""Makes the columns of our rows from jobs and batches of the former system."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runtime.former_system.row_reader import FormerBatch, FormerJob, product_reason, running_reason
from runtime.runs.job_states import JobStatus
from runtime.waiting.product_key import product_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The rows here to which a job belongs.

    Attributes:
        product, batch: their ids here, or None.
        key: the idempotency key, or None if another job has it.
    """

    user_id: int
    shop: int | None
    product: int | None
    batch: int | None
    key: str | None


def job_values(
    schema: str, table: str, job: FormerJob, new_id: int, around: Surroundings, now: datetime
) -> dict[str, Any]:
    """Return the columns of a job; its time stands still while it is held for its product."""
    product_id = around.product
    key = product_key(product_id, job.input_data)
    # Former product ids were counted in each seller's schema, so that the number means another
    # product here. The key still keeps jobs of one former product in order.
    if key is None and job.product_id is not None:
        key = f"former:{job.product_id}"
    status, reason = job.status, None
    if job.was is JobStatus.RUNNING:
        reason = running_reason(f"{schema}.{table}", job, new_id)
    elif job.was is JobStatus.PAUSED:
        reason = "it was paused in the former system"
    elif _lacks_product(job, product_id):
        status, reason = JobStatus.PAUSED, product_reason(schema, job)
    return {
        "id": new_id,
        "marketplace": job.action.marketplace,
        "action_type_id": job.action.id,
        "user_id": around.user_id,
        "shop_id": around.shop,
        "product_id": product_id,
        "product_key": key,
        "batch_job_id": around.batch,
        "idempotency_key": around.key,
        "status": status.value,
        "priority": job.priority,
        "input_data": job.input_data,
        "result_data": job.result_data,
        "error_message": job.error_message or _expired(job),
        "retry_count": job.retry_count,
        "max_retries": job.max_retries,
        "waiting_reason": reason,
        "created_at": job.created_at,
        "run_at": job.run_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "expires_at": job.expires_at,
        # The time of a paused job stands still from the moment of its import.
        "expiry_held_since": now if status is JobStatus.PAUSED else None,
    }


def batch_values(batch: FormerBatch, new_id: int) -> Mapping[str, Any]:
    """Return the columns of a batch, still open."""
    return {
        "id": new_id,
        "marketplace": batch.action.marketplace,
        "action_type_id": batch.action.id,
        "created_by_user_id": batch.user_id,
        "priority": batch.priority,
        "cancel_requested": batch.over == "cancelled",
        "created_at": batch.created_at,
    }


def _lacks_product(job: FormerJob, product_id: int | None) -> bool:
    # A job that carries its product in its input needs none here.
    waits = job.status is JobStatus.PENDING and job.product_id is not None
    return waits and product_id is None and not job.product


def _expired(job: FormerJob) -> str | None:
    if job.status is job.was:
        return None
    if job.status is JobStatus.EXPIRED and job.expires_at is not None:
        when = job.expires_at.isoformat(timespec="seconds")
        return f"its time ran out in the former system ({when})"
    return None
