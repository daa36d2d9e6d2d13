"""Writes how runs ended, many in one statement, each only for the run that owns its job."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.messages import RecordProgress
from runtime.runs.job_states import FINAL, JobEvent, JobStatus, after
from runtime.runs.settlement import MAX_POISONINGS, Settlement
from runtime.storage.models import SCHEMA
from runtime.storage.queue.batch_rows import close_ended
from runtime.storage.queue.journal_rows import close_open_steps, mark_ended_by
from runtime.storage.queue.write_result import WriteResult, held_jobs
from runtime.storage.server.value_errors import mapped_value_errors

# A run that stalled its node and recorded no outcome counts as a poisoning, as one does that killed
# it; the intent of a write, which the stall kept from leaving, is no outcome.
_TOO_OFTEN = "(locked.poisoned AND job.poison_count >= :most)"

# SKIP LOCKED, because an application's open transaction on one job must not hold up all others.
# A request to cancel or pause that came while the run failed or snoozed wins over another run.
# Every settlement names the fence: if it matches no row, another run owns the job by now.
# A new ``run_at`` is a delay added to the database's clock, as that clock alone decides what is
# due: a machine whose clock is wrong would otherwise run its retries early or late.
_SETTLE = text(f"""
    WITH ended AS (
        SELECT * FROM unnest(
            CAST(:ids AS bigint[]), CAST(:fences AS bigint[]), CAST(:events AS text[]),
            CAST(:statuses AS text[]), CAST(:finals AS boolean[]),
            CAST(:ends_attempts AS boolean[]), CAST(:results AS text[]), CAST(:errors AS text[]),
            CAST(:failed_steps AS text[]), CAST(:waiting_reasons AS text[]),
            CAST(:delays AS interval[]), CAST(:stalled AS boolean[])
        ) AS ended (
            id, fence, event, status, final, ends_attempt, result, error, failed_step,
            waiting_reason, delay, stalled
        )
    ),
    locked AS (
        SELECT job.id, ended.stalled AND NOT EXISTS (
            SELECT 1 FROM {SCHEMA}.marketplace_tasks AS task
            WHERE task.job_id = job.id AND task.fence = job.fence AND task.status = 'succeeded'
        ) AS poisoned FROM {SCHEMA}.marketplace_jobs AS job
        JOIN ended ON job.id = ended.id AND job.fence = ended.fence
        WHERE job.status = 'running'
        FOR UPDATE OF job SKIP LOCKED
    )
    UPDATE {SCHEMA}.marketplace_jobs AS job
    SET status = CASE WHEN job.cancel_requested AND ended.ends_attempt THEN 'cancelled'
            WHEN {_TOO_OFTEN} THEN :failed
            WHEN job.pause_requested AND ended.status = 'pending' AND NOT job.cancel_requested
            THEN 'paused' ELSE ended.status END,
        pause_requested = false,
        completed_at = CASE WHEN ended.final OR {_TOO_OFTEN}
            OR job.cancel_requested AND ended.ends_attempt THEN clock_timestamp() END,
        result_data = CAST(ended.result AS jsonb),
        error_message = CASE WHEN {_TOO_OFTEN}
            THEN 'the service died or hung ' || (job.poison_count + 1)
                || ' times while it ran this job'
            ELSE ended.error END,
        failed_step = ended.failed_step,
        waiting_reason = CASE WHEN {_TOO_OFTEN} OR job.pause_requested
            AND ended.status = 'pending' AND NOT job.cancel_requested
            THEN NULL ELSE ended.waiting_reason END,
        run_at = CASE WHEN ended.delay IS NULL THEN job.run_at
            ELSE clock_timestamp() + ended.delay END,
        retry_count = job.retry_count + CAST(ended.event = 'retry' AS int),
        snooze_count = job.snooze_count + CAST(ended.event = 'snooze' AS int),
        poison_count = job.poison_count + CAST(locked.poisoned AS int),
        node_id = NULL
    FROM ended JOIN locked ON locked.id = ended.id
    WHERE job.id = ended.id AND job.fence = ended.fence
    RETURNING job.id, job.status, job.batch_job_id
""")

_PROGRESS = text(f"""
    WITH made AS (
        SELECT * FROM unnest(
            CAST(:ids AS bigint[]), CAST(:fences AS bigint[]), CAST(:progresses AS text[])
        ) AS made (id, fence, progress)
    ),
    locked AS (
        SELECT job.id FROM {SCHEMA}.marketplace_jobs AS job
        JOIN made ON job.id = made.id AND job.fence = made.fence
        WHERE job.status = 'running'
        FOR UPDATE OF job SKIP LOCKED
    )
    UPDATE {SCHEMA}.marketplace_jobs AS job
    SET progress = CAST(made.progress AS jsonb)
    FROM made JOIN locked ON locked.id = made.id
    WHERE job.id = made.id AND job.fence = made.fence
""")


def settle_jobs(session: Session, settlements: Sequence[Settlement]) -> WriteResult[int]:
    """Write the settlements.

    Returns:
        The ids of the jobs that were settled, and of those that another transaction locks; a
        run that had lost its job is in neither of them.

    Raises:
        DatabaseRefused: PostgreSQL does not accept a value in them; nothing was written.
    """
    statuses = [after(JobStatus.RUNNING, one.event) for one in settlements]
    # Only these two ends give way to a request to cancel: a job that completed or failed before
    # the request was heard stays completed or failed.
    again = {JobEvent.RETRY, JobEvent.SNOOZE}
    costs_nothing = {JobEvent.SNOOZE, JobEvent.HAND_BACK}
    with mapped_value_errors():
        rows = session.execute(
            _SETTLE,
            {
                "ids": [one.job_id for one in settlements],
                "fences": [one.fence for one in settlements],
                "events": [one.event.value for one in settlements],
                "statuses": [status.value for status in statuses],
                "finals": [status in FINAL for status in statuses],
                "ends_attempts": [one.event in again for one in settlements],
                "results": [_json_or_none(one.result) for one in settlements],
                "errors": [one.error for one in settlements],
                "failed_steps": [one.failed_step for one in settlements],
                "waiting_reasons": [one.waiting_reason for one in settlements],
                # A job that waits for a closed lane or a seller keeps its run_at, and so its age:
                # a new time would put it behind the backlog again and again.
                "delays": [
                    one.delay if one.event in again and not one.keeps_age else None
                    for one in settlements
                ],
                "stalled": [one.stalled and one.event in costs_nothing for one in settlements],
                "most": MAX_POISONINGS,
                "failed": JobStatus.FAILED.value,
            },
        ).all()
    settled: dict[int, str] = {job_id: status for job_id, status, _ in rows}
    mark_ended_by(
        session,
        [
            (one.job_id, name)
            for one in settlements
            if one.job_id in settled
            for name in one.ended_by
        ],
    )
    # No further run will look these steps up, so they must not seem to be under way.
    close_open_steps(
        session, [job for job, status in settled.items() if status != JobStatus.PENDING]
    )
    close_ended(session, (batch_id for _, status, batch_id in rows if status in FINAL))
    runs = [(one.job_id, one.fence) for one in settlements]
    return WriteResult(dict.fromkeys(settled), held_jobs(session, runs, settled))


def record_progress(session: Session, made: Sequence[RecordProgress]) -> None:
    """Write the progress of runs, of each run the last one.

    Raises:
        DatabaseRefused: PostgreSQL does not accept a value.
    """
    # An UPDATE that joins several rows to one job applies an arbitrary one of them, which could be
    # an older progress. So each run comes once, and the last in the sequence is the newest.
    latest = {(one.job_id, one.fence): one.progress for one in made}
    with mapped_value_errors():
        session.execute(
            _PROGRESS,
            {
                "ids": [job_id for job_id, _ in latest],
                "fences": [fence for _, fence in latest],
                "progresses": [json.dumps(progress) for progress in latest.values()],
            },
        )


def _json_or_none(value: Any) -> str | None:
    return None if value is None else json.dumps(value)
