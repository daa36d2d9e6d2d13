"""Turns jobs and shops into JSON objects for programs, which rely on the keys."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from runtime.rate_limits.closures import Closure, Closures, path
from runtime.runs.job_states import JobStatus
from runtime.storage.models import MarketplaceJob, MarketplaceTask, Shop
from runtime.storage.nodes.liveness import Circumstances, circumstances
from runtime.storage.queue.closure_rows import closures_of
from runtime.waiting.lane_policy import LanePolicy
from runtime.waiting.obstacles import WaitingFacts, waiting_reason

Row = tuple[MarketplaceJob, str]
"""A job with the code of its action."""

LanesOf = Callable[[str], LanePolicy]
"""Returns the lanes of a marketplace; it is called only for pending jobs: it may load plugins."""

NOT_ASKED = LanePolicy(jobs=1, calls=1)
"""The lane of a job that is not pending does not matter, because the job does not wait for it."""


def job_views(session: Session, rows: Sequence[Row], lanes_of: LanesOf) -> list[dict[str, Any]]:
    """Return the jobs as JSON objects, each with the present reason of its wait."""
    pending = [job for job, _ in rows if job.status == JobStatus.PENDING]
    # One query serves all jobs of a list; only those that wait need a reason.
    around = circumstances(session, [job.user_id for job in pending])
    found = closures_of(session, sorted({job.marketplace for job in pending})) if pending else ()
    closed = Closures(found)
    return [job_view(job, code, _reason(job, code, around, closed, lanes_of)) for job, code in rows]


def job_view(job: MarketplaceJob, action: str, waiting_for: str | None) -> dict[str, Any]:
    """Return one job as a JSON object."""
    return {
        "id": job.id,
        "marketplace": job.marketplace,
        "action": action,
        "status": job.status,
        "priority": job.priority,
        "retry_count": job.retry_count,
        "max_retries": job.max_retries,
        "snooze_count": job.snooze_count,
        "result": job.result_data,
        "error": job.error_message,
        "failed_step": job.failed_step,
        "waiting_reason": waiting_for,
        "progress": job.progress,
        "user_id": job.user_id,
        "shop_id": job.shop_id,
        "product_id": job.product_id,
        "batch_job_id": job.batch_job_id,
        "superseded_by": job.superseded_by,
        "input": job.input_data,
        "cancel_requested": job.cancel_requested,
        "pause_requested": job.pause_requested,
        "idempotency_key": job.idempotency_key,
        "run_at": _iso(job.run_at),
        "created_at": _iso(job.created_at),
        "started_at": _iso(job.started_at),
        "completed_at": _iso(job.completed_at),
        "expires_at": _iso(job.expires_at),
    }


def shop_view(shop: Shop, closed: Sequence[Closure] = ()) -> dict[str, Any]:
    """Return one shop as a JSON object, with what closes it or its actions."""
    return {
        "id": shop.id,
        "marketplace": shop.marketplace,
        "user_id": shop.user_id,
        "external_id": shop.external_id,
        "name": shop.name,
        "settings": shop.settings,
        "closures": [closure_view(one) for one in closed],
        "created_at": _iso(shop.created_at),
    }


def closure_view(closure: Closure) -> dict[str, Any]:
    """Return one closure as a JSON object; ``until`` is null if somebody has to open it."""
    return {
        "marketplace": closure.scope.marketplace,
        "level": closure.scope.level.value,
        "shop_id": closure.scope.shop_id,
        "action": closure.scope.action,
        "kind": closure.kind.value,
        "reason": closure.reason,
        "since": _iso(closure.since),
        "until": _iso(closure.until),
    }


def _reason(
    job: MarketplaceJob,
    action: str,
    around: Circumstances,
    closed: Closures,
    lanes_of: LanesOf,
) -> str | None:
    scopes = path(job.marketplace, job.shop_id, action)
    return waiting_reason(
        WaitingFacts(
            status=JobStatus(job.status),
            user_id=job.user_id,
            run_at=job.run_at,
            stored_reason=job.waiting_reason,
            now=around.now,
            service_alive=around.service_alive,
            seller_connected=job.user_id in around.connected,
            lanes=lanes_of(job.marketplace) if job.status == JobStatus.PENDING else NOT_ASKED,
            retry_count=job.retry_count,
            down=around.down.get(job.marketplace),
            closures=tuple(closed.of(scopes, around.now)),
        )
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def step_view(step: MarketplaceTask) -> dict[str, Any]:
    """Return one step of a job as a JSON object."""
    return {
        "name": step.name,
        "type": step.task_type,
        "status": step.status,
        "request": step.request,
        "error": None if step.error is None else step.error.get("message"),
        "sent_at": _iso(step.sent_at),
        "settles_at": _iso(step.settles_at),
        "completed_at": _iso(step.completed_at),
    }
