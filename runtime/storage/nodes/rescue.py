"""Hands back the jobs of dead nodes, and counts the jobs that may have killed them."""

from pathlib import Path

from runtime.messages import LaneShop
from runtime.process.crash_marker import forget_marker, jobs_running_at_death
from runtime.storage.nodes import membership
from runtime.storage.server.engine import Database

REASON = "the service that ran it ended"


def rescue_dead_nodes(
    database: Database, node_id: int, markers: Path
) -> list[dict[str, list[LaneShop]]]:
    """Make the running jobs of dead nodes pending again, and forget the nodes.

    Args:
        node_id: the id of the calling node.
        markers: the directory in which nodes mark which job's code runs.

    Returns:
        For each dead node the shops of its jobs, by marketplace.

    Raises:
        DatabaseUnavailable: nothing was rescued.
    """
    # One transaction: a node is forgotten only together with the handing back of its jobs.
    with database.transaction("rescue") as session:
        dead = membership.dead_nodes(session, node_id)
        rescued = [
            membership.hand_back_jobs(
                session,
                node,
                suspects=jobs_running_at_death(markers, node) or (),
                reason=REASON,
            )
            for node in dead
        ]
        membership.forget_nodes(session, dead)
    # The markers go after the commit: if the transaction fails, the next rescue still has to read
    # who is suspected.
    for node in dead:
        forget_marker(markers, node)
    return rescued
