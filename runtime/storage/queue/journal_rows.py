"""Writes the step journal: intents before writes leave, outcomes before the handler goes on."""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, timedelta
from typing import Any

from sqlalchemy import TextClause, select, text
from sqlalchemy.orm import Session

from runtime.errors import InputError
from runtime.messages import CallTicket, RecordIntent, RecordOutcome
from runtime.runs.journal import RecordedStep, StepStatus
from runtime.storage.models import SCHEMA, MarketplaceTask
from runtime.storage.queue.write_result import WriteResult, held_jobs
from runtime.storage.server.value_errors import mapped_value_errors
from runtime.values.json_values import json_text

# The shared lock is held until COMMIT. Nobody can claim the job anew in between, and a later
# claim finds the row. Entries of a job that another transaction locks have to wait.
_OWNED = f"""
    SELECT job.id FROM {SCHEMA}.marketplace_jobs AS job
    WHERE job.id = entry.job_id AND job.fence = entry.fence AND job.status = 'running'
    FOR SHARE SKIP LOCKED
"""

# The three times are counted by the database from the lease that the node has left: only this clock
# is the same for the run that sends and for the run that looks the write up later.
_INTEND = text(f"""
    INSERT INTO {SCHEMA}.marketplace_tasks AS task (
        job_id, name, within, task_type, status, fence, request_id, request, sent_at, not_after,
        settles_at
    )
    SELECT entry.job_id, entry.name, entry.within, entry.task_type, 'started', entry.fence,
        entry.request_id, CAST(entry.request AS jsonb), clock_timestamp(),
        clock_timestamp() + entry.leaves_within,
        clock_timestamp() + entry.leaves_within + entry.settles_within
    FROM unnest(
        CAST(:job_ids AS bigint[]), CAST(:fences AS bigint[]), CAST(:names AS text[]),
        CAST(:task_types AS text[]), CAST(:request_ids AS text[]), CAST(:requests AS text[]),
        CAST(:leaves_within AS interval[]), CAST(:settles_within AS interval[]),
        CAST(:withins AS text[])
    ) AS entry (
        job_id, fence, name, task_type, request_id, request, leaves_within, settles_within, within
    )
    CROSS JOIN LATERAL ({_OWNED}) AS owned
    ON CONFLICT (job_id, name) DO UPDATE SET
        task_type = excluded.task_type, status = 'started', fence = excluded.fence,
        request_id = excluded.request_id, request = excluded.request, result = NULL, error = NULL,
        ended_run = false, sent_at = excluded.sent_at, completed_at = NULL,
        -- An earlier write of the step may have longer to go.
        not_after = greatest(task.not_after, excluded.not_after),
        settles_at = greatest(task.settles_at, excluded.settles_at)
    RETURNING task.job_id, task.fence, task.name
""")


# A failure that ended a run is done again as a new step, so its row gets a new beginning. Every
# other row keeps the beginning that its intent wrote.
def _record(owned: str) -> TextClause:
    return text(f"""
    INSERT INTO {SCHEMA}.marketplace_tasks AS task (
        job_id, name, within, task_type, status, fence, result, error, completed_at,
        created_at
    )
    SELECT entry.job_id, entry.name, entry.within, entry.task_type, entry.status, entry.fence,
        CAST(entry.result AS jsonb), CAST(entry.error AS jsonb), clock_timestamp(),
        coalesce(clock_timestamp() - entry.took, now())
    FROM unnest(
        CAST(:job_ids AS bigint[]), CAST(:fences AS bigint[]), CAST(:names AS text[]),
        CAST(:task_types AS text[]), CAST(:statuses AS text[]), CAST(:results AS text[]),
        CAST(:errors AS text[]), CAST(:withins AS text[]), CAST(:tooks AS interval[])
    ) AS entry (job_id, fence, name, task_type, status, result, error, within, took)
    CROSS JOIN LATERAL ({owned}) AS owned
    ON CONFLICT (job_id, name) DO UPDATE SET
        status = excluded.status, fence = excluded.fence, result = excluded.result,
        error = excluded.error, ended_run = false, completed_at = excluded.completed_at,
        created_at = CASE WHEN task.ended_run THEN excluded.created_at ELSE task.created_at END
    RETURNING task.job_id, task.fence, task.name, task.result
""")


_RECORD = _record(_OWNED)
# A handler's transaction must not skip its own record, so that it waits for the job's row.
_RECORD_OWN = _record(_OWNED.replace(" SKIP LOCKED", ""))

_RECORDED = text(f"""
    SELECT result FROM {SCHEMA}.marketplace_tasks
    WHERE job_id = :job_id AND name = :name AND fence = :fence AND status = 'succeeded'
""")

# A failure that ended its run is left out, because the next run does that step again. The other
# failures stay: the handler caught them, and a replay has to take the same branch.
_LOAD = text(f"""
    SELECT job_id, name, within, status, result, error,
        coalesce(not_after - clock_timestamp(), interval '0') AS quiet_in,
        coalesce(settles_at - clock_timestamp(), interval '0') AS settled_in
    FROM {SCHEMA}.marketplace_tasks
    WHERE job_id = ANY(:job_ids) AND NOT ended_run
    ORDER BY id
""")

_CLOSE = text(f"""
    UPDATE {SCHEMA}.marketplace_tasks
    SET status = 'unknown' WHERE job_id = ANY(:job_ids) AND status = 'started'
""")

_MARK_ENDED_BY = text(f"""
    UPDATE {SCHEMA}.marketplace_tasks AS task SET ended_run = true
    FROM unnest(CAST(:job_ids AS bigint[]), CAST(:names AS text[])) AS ended (job_id, name)
    WHERE task.job_id = ended.job_id AND task.name = ended.name AND task.status = 'failed'
""")

_ANSWER = text(f"""
    UPDATE {SCHEMA}.marketplace_tasks
    SET status = :status, result = CAST(:result AS jsonb), ended_run = :ended_run,
        completed_at = clock_timestamp()
    WHERE job_id = :job_id AND name = :name AND status IN ('unknown', 'started')
        AND (:happened OR coalesce(settles_at <= clock_timestamp(), true))
    RETURNING id
""")

_SETTLES_AT = text(f"""
    SELECT settles_at FROM {SCHEMA}.marketplace_tasks
    WHERE job_id = :job_id AND name = :name AND status IN ('unknown', 'started')
""")

_OPEN_NAMES = text(f"""
    SELECT name FROM {SCHEMA}.marketplace_tasks
    WHERE job_id = :job_id AND status IN ('unknown', 'started') ORDER BY id
""")

StepKey = tuple[int, int, str]
"""A step of one run: the job's id, its fence, and the step's name."""


def step_key(ticket: CallTicket, name: str) -> StepKey:
    """Return the step of the run that a call belongs to."""
    return (ticket.job_id, ticket.fence, name)


def record_intents(session: Session, intents: Sequence[RecordIntent]) -> WriteResult[StepKey]:
    """Write that these calls are about to leave.

    Returns:
        The intents of runs that own their jobs; nothing was written for the others.

    Raises:
        DatabaseRefused: PostgreSQL does not accept a value; nothing was written.
    """
    # ON CONFLICT fails if one statement meets the same row twice, so a step that occurs twice in
    # the group comes once, with its newest entry. The same holds for the outcomes below.
    latest = {step_key(one.ticket, one.name): one for one in intents}
    with mapped_value_errors():
        rows = session.execute(
            _INTEND,
            {
                "job_ids": [one.ticket.job_id for one in latest.values()],
                "fences": [one.ticket.fence for one in latest.values()],
                "names": [one.name for one in latest.values()],
                "task_types": [one.task_type for one in latest.values()],
                "request_ids": [one.request_id for one in latest.values()],
                "requests": [json.dumps(one.request) for one in latest.values()],
                "leaves_within": [one.leaves_within for one in latest.values()],
                "settles_within": [one.settles_within for one in latest.values()],
                "withins": [one.within for one in latest.values()],
            },
        )
        written = {(row.job_id, row.fence, row.name): None for row in rows}
    return _result(session, latest, written)


def record_outcomes(session: Session, outcomes: Sequence[RecordOutcome]) -> WriteResult[StepKey]:
    """Write how steps ended.

    Returns:
        The results as the database returns them, for runs that own their jobs. A handler gets
        these, so that a live run and a replay see the same value.

    Raises:
        DatabaseRefused: PostgreSQL does not accept a value; nothing was written.
    """
    latest = {step_key(one.ticket, one.step.name): one for one in outcomes}
    with mapped_value_errors():
        rows = session.execute(
            _RECORD,
            {
                "job_ids": [one.ticket.job_id for one in latest.values()],
                "fences": [one.ticket.fence for one in latest.values()],
                "names": [one.step.name for one in latest.values()],
                "task_types": [one.task_type for one in latest.values()],
                "statuses": [one.step.status.value for one in latest.values()],
                "results": [one.step.result for one in latest.values()],
                "errors": [
                    None if one.step.error is None else json.dumps(one.step.error)
                    for one in latest.values()
                ],
                "withins": [one.within for one in latest.values()],
                "tooks": [one.took for one in latest.values()],
            },
        )
        written = {(row.job_id, row.fence, row.name): row.result for row in rows}
    return _result(session, latest, written)


def record_transaction(
    session: Session, job_id: int, fence: int, name: str, result: Any, within: str | None = None
) -> bool:
    """Write the record of a transaction within it; returns False if the run lost its job."""
    rows = session.execute(
        _RECORD_OWN,
        {
            "job_ids": [job_id],
            "fences": [fence],
            "names": [name],
            "task_types": ["transaction"],
            "statuses": [StepStatus.SUCCEEDED.value],
            "results": [json_text(result, f"the result of transaction {name!r}")],
            "errors": [None],
            "withins": [within],
            # The step began with its transaction.
            "tooks": [None],
        },
    )
    return rows.first() is not None


def recorded_transaction(session: Session, job_id: int, fence: int, name: str) -> tuple[Any] | None:
    """Return the result of a transaction of this run, or None if it was not committed."""
    row = session.execute(_RECORDED, {"job_id": job_id, "fence": fence, "name": name}).first()
    return None if row is None else (row.result,)


def load_journals(session: Session, job_ids: Sequence[int]) -> dict[int, list[RecordedStep]]:
    """Return the records of former runs of these jobs that the next run needs."""
    journals: dict[int, list[RecordedStep]] = {}
    for row in session.execute(_LOAD, {"job_ids": list(job_ids)}):
        journals.setdefault(row.job_id, []).append(
            RecordedStep(
                name=row.name,
                status=StepStatus(row.status),
                result=row.result,
                error=row.error,
                quiet_in=max(row.quiet_in, timedelta(0)),
                settled_in=max(row.settled_in, timedelta(0)),
                within=row.within,
            )
        )
    return journals


def close_open_steps(session: Session, job_ids: Sequence[int]) -> None:
    """Mark the open steps of a job that is over, or waits for a person, as unknown."""
    if job_ids:
        session.execute(_CLOSE, {"job_ids": list(job_ids)})


def mark_ended_by(session: Session, steps: Sequence[tuple[int, str]]) -> None:
    """Note that these failures ended their runs, so that the next runs do the steps again."""
    if steps:
        job_ids, names = zip(*steps, strict=True)
        session.execute(_MARK_ENDED_BY, {"job_ids": list(job_ids), "names": list(names)})


def answer_step(
    session: Session, job_id: int, name: str, result: Any, *, happened: bool
) -> list[str]:
    """Write a person's answer to whether a step took effect.

    Args:
        result: the step's result if it took effect; if it did not, it is done again.

    Returns:
        The names of the steps of the job that are still open.

    Raises:
        InputError: the job has no such open step, or it took no effect so far but still can.
        InvalidJson: the result cannot be stored.
    """
    status = StepStatus.SUCCEEDED if happened else StepStatus.FAILED
    answered = session.execute(
        _ANSWER,
        {
            "job_id": job_id,
            "name": name,
            "happened": happened,
            "status": status.value,
            "result": json_text(result, "the step's result") if happened else None,
            # A step that did not happen is a failure which no handler has seen. Marked as the end
            # of its run, it is not replayed but done.
            "ended_run": not happened,
        },
    ).first()
    names = open_steps(session, job_id)
    if answered is None and name in names:
        # The write may be on its way still: done again now, it could take effect twice.
        settles_at = session.scalar(_SETTLES_AT, {"job_id": job_id, "name": name})
        raise InputError(
            f"step {name!r} of job {job_id} can still take effect until "
            f"{settles_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC: look on the marketplace after "
            "that, and answer then"
        )
    if answered is None:
        known = f"open are: {', '.join(names)}" if names else "none of its steps is open"
        raise InputError(f"job {job_id} has no open step {name!r}; {known}")
    return names


def steps_of(session: Session, job_id: int) -> list[MarketplaceTask]:
    """Return the journal of a job, in the order in which its steps were begun."""
    query = select(MarketplaceTask).where(MarketplaceTask.job_id == job_id)
    return list(session.scalars(query.order_by(MarketplaceTask.id)))


def open_steps(session: Session, job_id: int) -> list[str]:
    """Return the names of a job's steps of which nobody knows whether they took effect."""
    return list(session.scalars(_OPEN_NAMES, {"job_id": job_id}))


def _result(
    session: Session, asked: Collection[StepKey], written: dict[StepKey, Any]
) -> WriteResult[StepKey]:
    missing = [
        (job_id, fence) for job_id, fence, name in asked if (job_id, fence, name) not in written
    ]
    return WriteResult(written, held_jobs(session, missing, ()))
