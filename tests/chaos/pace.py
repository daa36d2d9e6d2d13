"""The service's patience, scaled down so that minutes of trouble fit into seconds."""

from datetime import timedelta

import actors.marketplace
import actors.recorder
import actors.supervisor
import runtime.lease
import runtime.retry
import runtime.storage.heartbeat
import runtime.storage.housekeeping
import runtime.storage.transactions

DEAD_AFTER = timedelta(seconds=2.4)
DEAD_WITHOUT_LOCK_AFTER = timedelta(seconds=0.8)


def quicken() -> None:
    """For the whole process; before a node is made."""
    runtime.lease.DEAD_AFTER = DEAD_AFTER
    runtime.lease.LASTS = DEAD_AFTER / 2
    runtime.lease.DEAD_WITHOUT_LOCK_AFTER = DEAD_WITHOUT_LOCK_AFTER
    runtime.lease.DEAD_AFTER_SERVER_START = timedelta(seconds=2)
    runtime.storage.heartbeat.INTERVAL = timedelta(seconds=0.15)
    runtime.storage.housekeeping.INTERVAL = timedelta(seconds=0.3)
    runtime.storage.transactions.LONGEST_DELAY_SECONDS = 0.5
    runtime.retry.FIRST_DELAY = timedelta(seconds=0.05)
    runtime.retry.LONGEST_DELAY = timedelta(seconds=0.5)
    actors.supervisor.CHECK_INTERVAL = timedelta(seconds=0.2)
    actors.supervisor.CLAIM_BACKOFF = timedelta(seconds=0.2)
    actors.recorder.LONGEST_RETRY = timedelta(seconds=0.5)
    actors.marketplace.CLAIM_LOST_AFTER = timedelta(seconds=3)
