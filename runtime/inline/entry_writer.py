"""Writes the entries of a run without a service, each in a transaction of its own."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import structlog
from sqlalchemy.orm import Session

from runtime.errors import DatabaseUnavailable
from runtime.process.lease import DEAD_AFTER
from runtime.storage.queue.write_result import WriteResult
from runtime.storage.server.engine import Database

FIRST_RETRY = timedelta(milliseconds=50)
LONGEST_RETRY = timedelta(seconds=2)
PATIENCE = DEAD_AFTER
"""After this time other nodes take the job over, so that a longer wait would write nothing."""

Key = TypeVar("Key")

log = structlog.get_logger(__name__)


def write_one(
    database: Database, name: str, job_id: int, write: Callable[[Session], WriteResult[Key]]
) -> WriteResult[Key]:
    """Write one entry, again and again while the database is away or the job's row is held.

    Args:
        name: the name of the transaction.

    Returns:
        The entries that were written; there are none if the run has lost its job.

    Raises:
        DatabaseUnavailable: the database stayed away, or the row stayed locked.
        DatabaseRefused: PostgreSQL does not accept a value.
    """
    delay, end = FIRST_RETRY, time.monotonic() + PATIENCE.total_seconds()
    while True:
        try:
            with database.transaction(name) as session:
                result = write(session)
            if job_id not in result.held:
                return result
            reason = f"job {job_id} is held by another transaction for long"
        except DatabaseUnavailable as error:
            reason = str(error)
        if time.monotonic() > end:
            raise DatabaseUnavailable(reason)
        log.debug("an entry waits", job=job_id, reason=reason)
        time.sleep(delay.total_seconds())
        delay = min(delay * 2, LONGEST_RETRY)
