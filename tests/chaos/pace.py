"""The service's patience, scaled down so that minutes of trouble fit into seconds."""

from datetime import timedelta

import actors.claims
import actors.recorder
import actors.supervisor
import runtime.process.lease
import runtime.runs.settlement
import runtime.storage.nodes.heartbeat
import runtime.storage.nodes.housekeeping
import runtime.storage.queue.transactions
import runtime.storage.server.engine

DEAD_AFTER = timedelta(seconds=2.4)
DEAD_WITHOUT_LOCK_AFTER = timedelta(seconds=0.8)


def quicken() -> None:
    """For the whole process; before a node is made."""
    runtime.process.lease.DEAD_AFTER = DEAD_AFTER
    runtime.process.lease.LASTS = DEAD_AFTER / 2
    runtime.process.lease.DEAD_WITHOUT_LOCK_AFTER = DEAD_WITHOUT_LOCK_AFTER
    runtime.process.lease.DEAD_AFTER_SERVER_START = timedelta(seconds=2)
    runtime.process.lease.JUDGES_AFTER = timedelta(seconds=1)
    runtime.storage.server.engine.LONGEST_IDLE = DEAD_AFTER
    runtime.storage.nodes.heartbeat.INTERVAL = timedelta(seconds=0.15)
    runtime.storage.nodes.housekeeping.INTERVAL = timedelta(seconds=0.3)
    runtime.storage.queue.transactions.LONGEST_DELAY_SECONDS = 0.5
    # The backoff looks it up there, although it belongs to the table of failures.
    runtime.runs.settlement.FIRST_DELAY = timedelta(seconds=0.05)  # type: ignore[attr-defined]
    runtime.runs.settlement.LONGEST_DELAY = timedelta(seconds=0.5)
    actors.supervisor.CHECK_INTERVAL = timedelta(seconds=0.2)
    actors.supervisor.CLAIM_BACKOFF = timedelta(seconds=0.2)
    actors.recorder.LONGEST_RETRY = timedelta(seconds=0.5)
    actors.claims.CLAIM_LOST_AFTER = timedelta(seconds=3)
