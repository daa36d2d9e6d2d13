"""Expires jobs, closes batches whose jobs have ended, and removes old rows.

It works in small portions, so that no transaction locks many rows for long.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.errors import DatabaseUnavailable
from runtime.runs.job_states import FINAL
from runtime.storage.models import SCHEMA
from runtime.storage.queue import batch_rows
from runtime.storage.queue.budget_usage import prune_usage
from runtime.storage.queue.closure_rows import prune_closures
from runtime.storage.queue.expiry import SWEEP_INTERVAL, expire_due, hold_expiry, resume_expiry
from runtime.storage.server.engine import Database

INTERVAL = SWEEP_INTERVAL
PORTION = 500
STOP_PATIENCE_SECONDS = 5.0

_FINAL = ", ".join(f"'{status.value}'" for status in sorted(FINAL))

_SHORT_LOCKS = text("SET LOCAL lock_timeout = '1s'")

# The jobs of an open batch stay, because the batch counts them when it closes, and because a job
# that is run again needs the others.
_PRUNE = text(f"""
    DELETE FROM {SCHEMA}.marketplace_jobs
    WHERE id IN (
        SELECT id FROM {SCHEMA}.marketplace_jobs AS job
        WHERE completed_at < now() - CAST(:retention AS interval) AND status IN ({_FINAL})
            AND NOT EXISTS (
                SELECT 1 FROM {SCHEMA}.batch_jobs AS batch
                WHERE batch.id = job.batch_job_id AND (
                    batch.completed_at IS NULL
                    OR batch.completed_at >= now() - CAST(:retention AS interval)
                )
            )
        ORDER BY completed_at LIMIT :portion
        FOR UPDATE SKIP LOCKED
    )
    RETURNING id
""")

log = structlog.get_logger(__name__)


class Housekeeper:
    """Tidies up in a thread of its own.

    Args:
        retention: the time for which ended jobs are kept, with their journal.
        needing_sellers: the marketplaces whose jobs run only while their seller's browser is
            connected.
    """

    def __init__(
        self, database: Database, retention: timedelta, needing_sellers: Sequence[str] = ()
    ) -> None:
        self._database = database
        self._retention = retention
        self._needing_sellers = tuple(needing_sellers)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread after its current portion."""
        self._stopping.set()
        self._thread.join(STOP_PATIENCE_SECONDS)

    def tidy(self) -> tuple[int, int]:
        """Tidy up once; returns how many jobs expired and how many were removed."""
        # The time of blocked jobs is held first, so that they do not expire.
        self._in_portions(
            "hold", lambda session: hold_expiry(session, self._needing_sellers, PORTION)
        )
        self._in_portions(
            "unhold", lambda session: resume_expiry(session, self._needing_sellers, PORTION)
        )
        expired = self._in_portions("expire", lambda session: expire_due(session, PORTION))
        # Two transactions that end the last two jobs of a batch at the same moment do not see each
        # other, so that neither closes the batch.
        self._close_batches()
        self._in_portions("forget", lambda session: prune_closures(session, PORTION))
        pruned = self._in_portions("prune", lambda session: prune_jobs(session, self._retention))
        self._in_portions("prune", prune_usage)
        # Batches come after their jobs, because the jobs refer to them.
        self._in_portions(
            "prune-batches",
            lambda session: batch_rows.prune_batches(session, self._retention, PORTION),
        )
        if expired or pruned:
            log.info("tidied up", expired=expired, pruned=pruned)
        return expired, pruned

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL.total_seconds()):
            try:
                self.tidy()
            except DatabaseUnavailable as error:
                log.warning("tidying up waits", reason=str(error))
            except Exception:
                # Without this thread no job would expire and no batch close until the next start,
                # and nobody would be told why.
                log.exception("tidying up failed")

    def _close_batches(self) -> None:
        with self._database.transaction("close-batches") as session:
            closed = batch_rows.close_ended(session)
        if closed:
            log.info("batches closed", count=closed)

    def _in_portions(self, name: str, work: Callable[[Session], int]) -> int:
        total = 0
        while not self._stopping.is_set():
            with self._database.transaction(name) as session:
                # Nothing here is urgent enough to wait for a lock of others.
                session.execute(_SHORT_LOCKS)
                done = work(session)
            total += done
            if done < PORTION:
                break
        return total


def prune_jobs(session: Session, retention: timedelta) -> int:
    """Remove one portion of jobs that ended so long ago, with their journal; returns how many."""
    return len(session.execute(_PRUNE, {"retention": retention, "portion": PORTION}).all())
