"""Registers nodes, finds dead ones, and hands their jobs back."""

import json
import os
import socket
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.messages import LaneShop, RunningJob
from runtime.process import lease
from runtime.runs.job_states import JobEvent, JobStatus, target
from runtime.runs.settlement import MAX_POISONINGS
from runtime.storage.models import SCHEMA
from runtime.storage.nodes.presence import remember_seen
from runtime.storage.queue.batch_rows import close_ended
from runtime.storage.queue.journal_rows import close_open_steps

LOCK_SPACE = 0x6D72
"""The first key of the advisory locks that nodes hold; the second key is the node's id."""

HOLD_LOCK = "SELECT pg_advisory_lock(%s, %s)"

_REGISTER = text(f"""
    INSERT INTO {SCHEMA}.runtime_nodes (hostname, pid, serves)
    VALUES (:hostname, :pid, :serves) RETURNING id
""")

# A node that was taken for dead but is alive comes back under its own id.
# ``xmax`` is 0 only in a row that this statement inserted; in a row that it updated, ``xmax`` is
# the transaction that locked it. Both kinds of gap count as an interruption: a node that was
# forgotten was cut off for longer than any other.
_HEARTBEAT = text(f"""
    INSERT INTO {SCHEMA}.runtime_nodes AS node (id, hostname, pid, serves, interrupted_at)
    OVERRIDING SYSTEM VALUE VALUES (:id, :hostname, :pid, :serves, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp(),
        interrupted_at = CASE
            WHEN node.heartbeat_at < clock_timestamp() - CAST(:cut_off_after AS interval)
            THEN clock_timestamp() ELSE node.interrupted_at END
    RETURNING xmax = 0 AS is_new
""")

_MARK_DOWN = text(f"""
    UPDATE {SCHEMA}.runtime_nodes SET down = CAST(:down AS jsonb) WHERE id = :id
""")

# The judge has to have confirmed its own heartbeats for a while. Both sides are read by the
# statement that judges, on the database's clock: behind an outage it would otherwise be chance
# which node comes back first, and it would take the others for dead before they could speak.
_MAY_JUDGE = f"""
    EXISTS (
        SELECT 1 FROM {SCHEMA}.runtime_nodes AS judge
        WHERE judge.id = :node_id
            AND judge.heartbeat_at >= clock_timestamp() - CAST(:cut_off_after AS interval)
            AND coalesce(
                judge.interrupted_at < clock_timestamp() - CAST(:judges_after AS interval), true
            )
    )
"""

# A free lock tells of a dead process within seconds, but no lock is held by anybody after the
# database server has started again, until the nodes are connected anew; for that time the nodes get
# longer. A heartbeat that is old enough decides alone, because the network may have lost a machine
# whose connection, and with it the lock, the server still takes for alive. ``objsubid`` is 2 for a
# lock with two keys. ``pg_locks`` shows all databases of the server, and another runtime in another
# database has nodes with the same ids.
_DEAD = text(f"""
    SELECT node.id FROM {SCHEMA}.runtime_nodes AS node
    WHERE node.id <> :node_id AND {_MAY_JUDGE} AND (
        node.heartbeat_at < now() - CAST(:dead_after AS interval)
        OR node.heartbeat_at < now() - CASE
            WHEN pg_postmaster_start_time() > now() - CAST(:server_start AS interval)
            THEN CAST(:server_start AS interval) ELSE CAST(:without_lock AS interval) END
        AND NOT EXISTS (
            SELECT 1 FROM pg_locks AS held
            WHERE held.locktype = 'advisory' AND held.classid = :lock_space
                AND held.objid = node.id AND held.objsubid = 2
                AND held.database = (
                    SELECT oid FROM pg_database WHERE datname = current_database()
                )
        )
    )
""")

# A run counts as a poisoning if its code was running when the process died, and it had recorded
# nothing new. Jobs that merely waited are not suspected.
_HAND_BACK = text(f"""
    UPDATE {SCHEMA}.marketplace_jobs AS job
    SET node_id = NULL,
        poison_count = ended.poisonings,
        status = CASE WHEN ended.poisonings > :most THEN :failed
            WHEN job.pause_requested AND NOT job.cancel_requested THEN :paused ELSE :pending END,
        pause_requested = false,
        completed_at = CASE WHEN ended.poisonings > :most THEN clock_timestamp() END,
        error_message = CASE WHEN ended.poisonings > :most
            THEN 'the service died or hung ' || ended.poisonings || ' times while it ran this job'
            ELSE job.error_message END,
        waiting_reason = CASE WHEN ended.poisonings > :most
            OR job.pause_requested AND NOT job.cancel_requested THEN NULL ELSE :reason END
    FROM (
        SELECT id, poison_count + CAST(id = ANY(CAST(:suspects AS bigint[])) AND NOT EXISTS (
            SELECT 1 FROM {SCHEMA}.marketplace_tasks AS task
            WHERE task.job_id = running.id AND task.fence = running.fence
        ) AS int) AS poisonings
        FROM {SCHEMA}.marketplace_jobs AS running
        WHERE status = 'running' AND node_id = :node_id
            AND (CAST(:marketplace AS text) IS NULL OR marketplace = :marketplace)
        FOR UPDATE SKIP LOCKED
    ) AS ended
    WHERE job.id = ended.id AND job.status = 'running' AND job.node_id = :node_id
    RETURNING job.id, job.status, job.batch_job_id, job.marketplace, job.shop_id, job.user_id,
        job.priority
""")

# Handing back skips a job that another transaction locks, and the node is forgotten all the same.
# Such a job names a node without a row, which no heartbeat would ever lead to.
_STALE = text(f"""
    SELECT DISTINCT node_id FROM {SCHEMA}.marketplace_jobs AS job
    WHERE status = 'running' AND node_id IS NOT NULL AND node_id <> :node_id AND {_MAY_JUDGE}
        AND NOT EXISTS (SELECT 1 FROM {SCHEMA}.runtime_nodes AS node WHERE node.id = job.node_id)
""")

_RUNNING = text(f"""
    SELECT id, fence, marketplace, cancel_requested, pause_requested
    FROM {SCHEMA}.marketplace_jobs
    WHERE node_id = :node_id AND status = 'running'
""")

# SKIP LOCKED, because a process that was stopped within a transaction may lock its row for long.
_FORGET = text(f"""
    DELETE FROM {SCHEMA}.runtime_nodes WHERE id IN (
        SELECT id FROM {SCHEMA}.runtime_nodes WHERE id = ANY(:nodes) FOR UPDATE SKIP LOCKED
    )
""")


def register_node(session: Session, *, serves: bool = True) -> int:
    """Add this process; returns its node id.

    Args:
        serves: whether it is a service; a process that runs a single job is none, so that nobody
            counts on it for other jobs.
    """
    return int(session.execute(_REGISTER, _identity() | {"serves": serves}).scalar_one())


def confirm_heartbeat(session: Session, node_id: int, *, serves: bool = True) -> bool:
    """Say that the node is alive; returns whether it had been taken for dead and forgotten."""
    values = {
        "id": node_id,
        "serves": serves,
        "cut_off_after": lease.DEAD_WITHOUT_LOCK_AFTER,
        **_identity(),
    }
    return bool(session.execute(_HEARTBEAT, values).scalar_one())


def mark_down(session: Session, node_id: int, down: Mapping[str, str]) -> None:
    """Write which marketplaces a node cannot serve for now, each with the reason."""
    session.execute(_MARK_DOWN, {"id": node_id, "down": json.dumps(down)})


def running_jobs(session: Session, node_id: int) -> list[RunningJob]:
    """Return the jobs that a node runs, as the database has them."""
    rows = session.execute(_RUNNING, {"node_id": node_id})
    return [RunningJob(*row) for row in rows]


def dead_nodes(session: Session, node_id: int) -> list[int]:
    """Return the nodes that are dead, also those of which only running jobs remain.

    There are none for a node whose own heartbeats were interrupted a short while ago.
    """
    judge = {
        "node_id": node_id,
        "cut_off_after": lease.DEAD_WITHOUT_LOCK_AFTER,
        "judges_after": lease.JUDGES_AFTER,
    }
    dead = session.scalars(
        _DEAD,
        judge
        | {
            "lock_space": LOCK_SPACE,
            "dead_after": lease.DEAD_AFTER,
            "without_lock": lease.DEAD_WITHOUT_LOCK_AFTER,
            "server_start": lease.DEAD_AFTER_SERVER_START,
        },
    ).all()
    # The calling node is excluded in both statements: it lives, and it may be without a row for as
    # long as others took it for dead.
    return [*dead, *session.scalars(_STALE, judge)]


def hand_back_jobs(
    session: Session,
    node_id: int,
    *,
    marketplace: str | None = None,
    suspects: Collection[int] = (),
    reason: str | None = None,
) -> dict[str, list[LaneShop]]:
    """Make the running jobs of a node pending again; this uses up no attempt.

    Args:
        marketplace: limits this to the jobs of one marketplace.
        suspects: the jobs whose code was running when the node died or hung. This counts as a
            poisoning if the run had recorded nothing new; a job fails after more than
            ``MAX_POISONINGS``.
        reason: the reason for which the jobs wait now.

    Returns:
        The shop of each job, by marketplace.
    """
    rows = session.execute(
        _HAND_BACK,
        {
            "node_id": node_id,
            "marketplace": marketplace,
            "suspects": list(suspects),
            "most": MAX_POISONINGS,
            "pending": target(JobEvent.HAND_BACK).value,
            "failed": target(JobEvent.FAIL).value,
            "paused": target(JobEvent.PAUSE).value,
            "reason": reason,
        },
    )
    shops: dict[str, list[LaneShop]] = {}
    over: dict[int, int | None] = {}
    for job_id, status, batch_id, name, shop_id, user_id, priority in rows:
        waits = status == JobStatus.PENDING
        shop = LaneShop(shop_id, user_id, priority if waits else None)
        shops.setdefault(name, []).append(shop)
        if not waits:
            over[job_id] = batch_id
    # No further run will look up the steps of these jobs, and their batch may have waited for them.
    close_open_steps(session, list(over))
    close_ended(session, over.values())
    return shops


def forget_nodes(session: Session, node_ids: Sequence[int]) -> None:
    """Remove nodes, and their records of connected browsers."""
    if node_ids:
        remember_seen(session, node_ids)
        session.execute(_FORGET, {"nodes": list(node_ids)})


def leave(session: Session, node_id: int) -> None:
    """Hand back the remaining jobs of a stopping node, and forget the node."""
    hand_back_jobs(session, node_id)
    forget_nodes(session, [node_id])


def _identity() -> dict[str, object]:
    return {"hostname": socket.gethostname(), "pid": os.getpid()}
