"""Records which sellers' browsers are connected, and when the others were seen last.

It is a table and not only memory, so that another process can tell why a job waits.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from runtime.storage.models import SCHEMA, BrowserLastSeen

_PRESENT = text(f"""
    INSERT INTO {SCHEMA}.browser_presence (user_id, node_id)
    SELECT user_id, :node_id FROM unnest(CAST(:users AS bigint[])) AS present (user_id)
    ON CONFLICT DO NOTHING
""")

# The rows are written in the order of the sellers, here and below, because two nodes that write
# the same sellers in different orders could wait for each other in a deadlock.
_ABSENT = text(f"""
    WITH gone AS (
        DELETE FROM {SCHEMA}.browser_presence
        WHERE node_id = :node_id AND user_id = ANY(:users) RETURNING user_id
    )
    INSERT INTO {SCHEMA}.browser_last_seen (user_id, seen_at)
    SELECT user_id, clock_timestamp() FROM gone ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET seen_at = excluded.seen_at
""")

# A node that died could not say when its sellers left. Its last heartbeat is the last moment at
# which they are known to have been connected. ``greatest`` keeps a later moment that another node
# has written since.
_SEEN_BY = text(f"""
    INSERT INTO {SCHEMA}.browser_last_seen AS known (user_id, seen_at)
    SELECT presence.user_id, max(node.heartbeat_at)
    FROM {SCHEMA}.browser_presence AS presence
    JOIN {SCHEMA}.runtime_nodes AS node ON node.id = presence.node_id
    WHERE node.id = ANY(:nodes)
    GROUP BY presence.user_id ORDER BY presence.user_id
    ON CONFLICT (user_id) DO UPDATE SET seen_at = greatest(known.seen_at, excluded.seen_at)
""")


# The lock keeps the node from being forgotten before the presence of its sellers is committed.
_REGISTERED = text(f"SELECT FROM {SCHEMA}.runtime_nodes WHERE id = :node_id FOR KEY SHARE")


def record_presence(session: Session, node_id: int, presence: dict[int, bool]) -> bool:
    """Write which sellers are connected to the node's bridge.

    Returns:
        False if the node was taken for dead, and has not come back yet; then nothing is written.
    """
    if session.execute(_REGISTERED, {"node_id": node_id}).first() is None:
        return False
    here = [user_id for user_id, connected in presence.items() if connected]
    gone = [user_id for user_id, connected in presence.items() if not connected]
    if here:
        session.execute(_PRESENT, {"node_id": node_id, "users": here})
    if gone:
        session.execute(_ABSENT, {"node_id": node_id, "users": gone})
    return True


def remember_seen(session: Session, node_ids: Sequence[int]) -> None:
    """Note when the sellers on these nodes were last seen, before the nodes are forgotten."""
    session.execute(_SEEN_BY, {"nodes": list(node_ids)})


def last_seen(session: Session, user_id: int) -> datetime | None:
    """Return when the browser of an absent seller was connected last, or None for never."""
    return session.scalar(select(BrowserLastSeen.seen_at).where(BrowserLastSeen.user_id == user_id))
