"""Runs the transactions of handlers exactly once, whatever happens to the connection."""

import threading
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from runtime.errors import DatabaseUnavailable, FenceLost, HandlerError, InvalidJson
from runtime.runs.calls import TransactionCall
from runtime.runs.job import Job
from runtime.storage.models import SCHEMA
from runtime.storage.queue.journal_rows import record_transaction, recorded_transaction
from runtime.storage.server.engine import Database
from runtime.storage.server.value_errors import mapped_value_errors

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 5.0
_QUERY_CANCELLED = "57014"

# Without SKIP LOCKED, because the transaction that may hold this lock is the earlier try itself,
# and its end is just what has to be known.
_LOCK_RUN = text(f"""
    SELECT id FROM {SCHEMA}.marketplace_jobs
    WHERE id = :id AND fence = :fence AND status = 'running'
    FOR UPDATE
""")

log = structlog.get_logger(__name__)


def run_transaction(
    database: Database,
    job: Job,
    call: TransactionCall,
    stopping: threading.Event,
    within: str | None = None,
) -> Any:
    """Run ``function(session, *arguments)`` and commit it with its row in the step journal.

    It is tried again while the database is away or another passing problem prevents it. If the
    connection breaks during COMMIT, the journal tells whether the transaction was committed.

    Args:
        stopping: an event that ends the wait for the database.
        within: the step that the transaction is part of.

    Returns:
        The function's result as it comes back from the journal.

    Raises:
        FenceLost: the run does not own its job any more; everything was rolled back.
        DatabaseUnavailable: the service stops while the database is away.
        Exception: whatever the function raised; everything was rolled back.
    """
    delay = FIRST_DELAY_SECONDS
    again = False
    while True:
        try:
            with mapped_value_errors(), database.transaction("transaction") as session:
                # A COMMIT whose connection broke may have been carried out.
                if again and (done := _committed(session, job, call)) is not None:
                    return done[0]
                result = _called(call, session)
                session.flush()
                if not record_transaction(session, job.id, job.fence, call.name, result, within):
                    raise FenceLost(job.id, job.fence)
                # The handler gets the value as the journal has it, like every later run.
                (recorded,) = recorded_transaction(session, job.id, job.fence, call.name) or (None,)
            return recorded
        except InvalidJson as error:
            raise HandlerError(f"{error}: return a JSON value from the transaction") from error
        except _RaisedByHandlerError as raised:
            raise raised.error from None
        except DatabaseUnavailable as error:
            log.warning(
                "database away, the transaction waits",
                transaction=call.name, reason=str(error), **job.log_context,
            )  # fmt: skip
            if stopping.wait(delay):
                raise
            again, delay = True, min(delay * 2, LONGEST_DELAY_SECONDS)


def _called(call: TransactionCall, session: Session) -> Any:
    try:
        return call.function(session, *call.arguments)
    except (ValueError, TypeError) as error:
        # These would be taken for complaints of psycopg2 about a value.
        raise _RaisedByHandlerError(error) from error
    except DBAPIError as error:
        # A statement that was cancelled for its duration would take as long the next time.
        if getattr(error.orig, "pgcode", None) == _QUERY_CANCELLED:
            raise _RaisedByHandlerError(error) from error
        raise


class _RaisedByHandlerError(Exception):
    """Carries an error of the handler past the code that maps errors of the database."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _committed(session: Session, job: Job, call: TransactionCall) -> tuple[Any] | None:
    """Return the result that an earlier try committed after all, or None.

    The lock waits for the transaction of that try, if the server is still busy with it.
    """
    if session.execute(_LOCK_RUN, {"id": job.id, "fence": job.fence}).first() is None:
        raise FenceLost(job.id, job.fence)
    return recorded_transaction(session, job.id, job.fence, call.name)
