"""Writing down what a run by itself does: as the recorder does it, but one entry at a time."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog
from sqlalchemy.orm import Session

from runtime.errors import DatabaseUnavailable
from runtime.process.lease import DEAD_AFTER
from runtime.storage.queue.written import Written
from runtime.storage.server.engine import Database

FIRST_RETRY = timedelta(milliseconds=50)
LONGEST_RETRY = timedelta(seconds=2)
PATIENCE = DEAD_AFTER
"""After that others have taken the job over anyway."""

Key = TypeVar("Key")

log = structlog.get_logger(__name__)


def write_one(
    database: Database, name: str, job_id: int, write: Callable[[Session], Written[Key]]
) -> Written[Key]:
    """Write one entry, again and again while the database is away or the job's row is held.

    Args:
        name: of the transaction.

    Returns:
        What was kept; nothing, where the run has lost its job.

    Raises:
        DatabaseUnavailable: it stayed so.
        DatabaseRefused: PostgreSQL does not accept a value.
    """
    delay, end = FIRST_RETRY, time.monotonic() + PATIENCE.total_seconds()
    while True:
        try:
            with database.transaction(name) as session:
                written = write(session)
            if job_id not in written.held:
                return written
            reason = f"job {job_id} is held by another transaction for long"
        except DatabaseUnavailable as error:
            reason = str(error)
        if time.monotonic() > end:
            raise DatabaseUnavailable(reason)
        log.debug("an entry waits", job=job_id, reason=reason)
        time.sleep(delay.total_seconds())
        delay = min(delay * 2, LONGEST_RETRY)
