"""Nodes: who is alive, and the jobs of those who are not."""

import os
import socket
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.messages import LaneShop
from runtime.states import JobEvent, target
from runtime.storage.models import SCHEMA

LOCK_SPACE = 0x6D72
"""First key of the advisory locks that nodes hold; the second is the node's id."""

HOLD_LOCK = "SELECT pg_advisory_lock(%s, %s)"

_REGISTER = text(f"""
    INSERT INTO {SCHEMA}.runtime_nodes (hostname, pid) VALUES (:hostname, :pid) RETURNING id
""")

# A node that was taken for dead and lives on comes back under its own id.
_HEARTBEAT = text(f"""
    INSERT INTO {SCHEMA}.runtime_nodes (id, hostname, pid) OVERRIDING SYSTEM VALUE
    VALUES (:id, :hostname, :pid)
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = clock_timestamp()
""")

# Just after the server started nobody holds a lock yet, so its absence says nothing then.
_DEAD = text(f"""
    SELECT node.id FROM {SCHEMA}.runtime_nodes AS node
    WHERE node.id <> :node_id AND (
        node.heartbeat_at < now() - interval '30 seconds'
        OR node.heartbeat_at < now() - CASE
            WHEN pg_postmaster_start_time() > now() - interval '10 seconds'
            THEN interval '10 seconds' ELSE interval '2 seconds' END
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

_RESCUE = text(f"""
    UPDATE {SCHEMA}.marketplace_jobs AS job
    SET status = :target, node_id = NULL,
        waiting_reason = 'the service that ran it ended'
    WHERE job.status = 'running' AND job.node_id = ANY(:dead)
    RETURNING job.marketplace, job.shop_id, job.user_id
""")

_FORGET = text(f"DELETE FROM {SCHEMA}.runtime_nodes WHERE id = ANY(:nodes)")

_PRESENT = text(f"""
    INSERT INTO {SCHEMA}.browser_presence (user_id, node_id)
    SELECT user_id, :node_id FROM unnest(CAST(:users AS bigint[])) AS present (user_id)
    ON CONFLICT DO NOTHING
""")

_ABSENT = text(f"""
    DELETE FROM {SCHEMA}.browser_presence WHERE node_id = :node_id AND user_id = ANY(:users)
""")


def register_node(session: Session) -> int:
    """Add this process; returns its node id."""
    return int(session.execute(_REGISTER, _identity()).scalar_one())


def confirm_heartbeat(session: Session, node_id: int) -> None:
    """Say that the node is alive."""
    session.execute(_HEARTBEAT, {"id": node_id, **_identity()})


def rescue_jobs(session: Session, node_id: int) -> tuple[int, dict[str, set[LaneShop]]]:
    """Make the running jobs of dead nodes pending again, and forget those nodes.

    Returns:
        How many were rescued, and the shops they belong to, by marketplace.
    """
    dead = session.execute(_DEAD, {"node_id": node_id, "lock_space": LOCK_SPACE}).scalars().all()
    if not dead:
        return 0, {}
    rows = session.execute(
        _RESCUE, {"dead": list(dead), "target": target(JobEvent.RELEASE).value}
    ).all()
    forget_nodes(session, dead)
    shops: dict[str, set[LaneShop]] = {}
    for marketplace, shop_id, user_id in rows:
        shops.setdefault(marketplace, set()).add(LaneShop(shop_id, user_id))
    return len(rows), shops


def forget_nodes(session: Session, node_ids: Sequence[int]) -> None:
    """Remove nodes and what they knew of connected browsers."""
    session.execute(_FORGET, {"nodes": list(node_ids)})


def leave(session: Session, node_id: int) -> None:
    """Hand back what a stopping node still has, and forget the node."""
    session.execute(_RESCUE, {"dead": [node_id], "target": target(JobEvent.RELEASE).value})
    forget_nodes(session, [node_id])


def record_presence(session: Session, node_id: int, presence: dict[int, bool]) -> None:
    """Write which sellers are connected to the node's bridge."""
    here = [user_id for user_id, connected in presence.items() if connected]
    gone = [user_id for user_id, connected in presence.items() if not connected]
    if here:
        session.execute(_PRESENT, {"node_id": node_id, "users": here})
    if gone:
        session.execute(_ABSENT, {"node_id": node_id, "users": gone})


def _identity() -> dict[str, object]:
    return {"hostname": socket.gethostname(), "pid": os.getpid()}
