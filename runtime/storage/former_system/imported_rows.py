"""Writes the rows that are taken over from the former system, each once."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple

import psycopg2
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import Session

from runtime.errors import DatabaseConflict
from runtime.former_system.changes import TakenOverRow
from runtime.former_system.row_reader import KnownAction, KnownActions
from runtime.runs.batch_status import BatchCounts, BatchStatus, batch_status
from runtime.runs.job_states import FINAL
from runtime.storage.former_system.tables import BATCHES, JOBS
from runtime.storage.models import (
    SCHEMA,
    BatchJob,
    FormerActionType,
    FormerRow,
    MarketplaceActionType,
    MarketplaceJob,
)
from runtime.storage.queue import batch_rows
from runtime.storage.server.engine import Database, database_errors
from runtime.storage.server.value_errors import mapped_value_errors

IMPORT_LOCK = 0x6D72_696D_7074
"""The key of the advisory lock that an import holds ("mrimpt")."""

# Ids are taken before the rows are written, because the reasons of paused jobs name them.
_NEXT_IDS = text("""
    SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :count)
""")

_PRODUCTS = text(f"""
    SELECT data -> 'attributes' ->> 'former_id' AS former_id, min(id) AS id
    FROM {SCHEMA}.products
    WHERE user_id = :user_id AND data -> 'attributes' ->> 'former_id' = ANY(:former)
    GROUP BY 1
""")

_TAKEN_KEYS = text(f"""
    SELECT idempotency_key FROM {SCHEMA}.marketplace_jobs
    WHERE user_id = :user_id AND idempotency_key = ANY(:keys)
""")

# Here and below, a fence of 0 says that neither a run nor a person has changed the job since its
# import.
_MISSING_PRODUCT = text(f"""
    SELECT job.id, former.former_product_id, former.awaits_product
    FROM {SCHEMA}.former_rows AS former
    JOIN {SCHEMA}.marketplace_jobs AS job ON job.id = former.new_id
    WHERE former.schema_name = :schema AND former.table_name = '{JOBS}'
        AND former.former_product_id IS NOT NULL AND job.product_id IS NULL
        AND job.fence = 0 AND job.status IN ('pending', 'paused')
    FOR UPDATE OF job
""")

_LINK = text(f"""
    UPDATE {SCHEMA}.marketplace_jobs SET product_id = :product, product_key = 'id:' || :product,
        status = CASE WHEN :release AND status = 'paused' THEN 'pending' ELSE status END,
        waiting_reason = CASE WHEN :release AND status = 'paused' THEN NULL ELSE waiting_reason END
    WHERE id = :id
""")

_PAUSE = text(f"""
    UPDATE {SCHEMA}.marketplace_jobs SET status = 'paused', waiting_reason = :reason,
        expiry_held_since = coalesce(expiry_held_since, now())
    WHERE id = :id AND fence = 0 AND status IN ('pending', 'paused')
""")

_FORGET_PRODUCT = text(f"""
    UPDATE {SCHEMA}.former_rows SET awaits_product = false
    WHERE table_name = '{JOBS}' AND new_id = ANY(:ids)
""")

_JOIN_BATCH = text(f"""
    UPDATE {SCHEMA}.marketplace_jobs SET batch_job_id = :batch
    WHERE id = :id AND batch_job_id IS NULL
""")

_REOPEN = text(f"""
    UPDATE {SCHEMA}.batch_jobs SET status = NULL, counts = NULL, completed_at = NULL
    WHERE id = ANY(:ids)
""")

_UNTOUCHED = text(f"""
    DELETE FROM {SCHEMA}.marketplace_jobs AS job USING {SCHEMA}.former_rows AS former
    WHERE former.table_name = '{JOBS}' AND former.schema_name = ANY(:schemas)
        AND former.new_id = job.id AND job.fence = 0
    RETURNING former.schema_name, former.former_id
""")

_EMPTY_BATCHES = text(f"""
    DELETE FROM {SCHEMA}.batch_jobs AS batch USING {SCHEMA}.former_rows AS former
    WHERE former.table_name = '{BATCHES}' AND former.schema_name = ANY(:schemas)
        AND former.new_id = batch.id
        AND NOT EXISTS (SELECT FROM {SCHEMA}.marketplace_jobs WHERE batch_job_id = batch.id)
    RETURNING former.schema_name, former.former_id
""")

# Jobs that ran here and were pruned since are among these.
_STAYED = text(f"""
    SELECT former.schema_name, former.former_id, former.new_id, job.status
    FROM {SCHEMA}.former_rows AS former
    LEFT JOIN {SCHEMA}.marketplace_jobs AS job ON job.id = former.new_id
    WHERE former.table_name = '{JOBS}' AND former.schema_name = ANY(:schemas) AND (
        job.id IS NOT NULL OR lower(former.former_status) IN ('pending', 'paused', 'running'))
    ORDER BY 1, 2
""")


@contextmanager
def import_lock(database: Database) -> Iterator[None]:
    """Hold the lock of imports during a block.

    Raises:
        DatabaseConflict: another import holds it.
    """
    with database_errors(), closing(database.direct_connection()) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", (IMPORT_LOCK,))
            if cursor.fetchone() != (True,):
                raise DatabaseConflict(
                    "another import-former is at work on this database: wait until it has ended, "
                    "then run this one again (nothing was changed)"
                )
        try:
            yield
        finally:
            # Closing the connection alone releases the lock a little later, so that the next
            # import might still meet it.
            with suppress(psycopg2.Error), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", (IMPORT_LOCK,))


def now(session: Session) -> datetime:
    """Return the database's time."""
    found: datetime = session.execute(text("SELECT now()")).scalar_one()
    return found


def known_actions(session: Session) -> KnownActions:
    """Return the action types that are there, and the meaning of former ids."""
    rows = session.scalars(select(MarketplaceActionType)).all()
    by_id = {
        row.id: KnownAction(row.id, row.marketplace, row.code, row.priority, row.max_retries)
        for row in rows
    }
    by_pair = {(one.marketplace, one.code): one for one in by_id.values()}
    former: dict[int, KnownAction] = {}
    misplaced: set[int] = set()
    for kept in session.scalars(select(FormerActionType)):
        found = by_pair.get((kept.marketplace, kept.code))
        if found is not None:
            former[kept.former_id] = found
            if kept.former_code != kept.code:
                misplaced |= {kept.former_id, found.id}
    return KnownActions(by_id, former, frozenset(misplaced))


def taken_over(
    session: Session, schema: str, table: str, ids: Sequence[int]
) -> dict[int, TakenOverRow]:
    """Return the rows that were taken over before, each with its remembered state."""
    columns = FormerRow.former_id, FormerRow.new_id, FormerRow.former_status, FormerRow.fingerprint
    query = select(*columns).where(
        FormerRow.schema_name == schema,
        FormerRow.table_name == table,
        FormerRow.former_id.in_(ids),
    )
    return {
        row.former_id: TakenOverRow(row.new_id, row.former_status, row.fingerprint)
        for row in session.execute(query)
    }


def remember(session: Session, schema: str, table: str, said: Sequence[Mapping[str, Any]]) -> None:
    """Note the present state of rows that were taken over: ``former_id`` and other columns."""
    rows = [{"schema_name": schema, "table_name": table, **one} for one in said]
    session.execute(update(FormerRow), rows)


def pause_jobs(session: Session, reasons: Mapping[int, str]) -> None:
    """Pause those of the jobs that no run has begun here, each with its reason."""
    session.execute(_PAUSE, [{"id": one, "reason": why} for one, why in reasons.items()])
    session.execute(_FORGET_PRODUCT, {"ids": list(reasons)})


def join_batches(session: Session, batch_of: Mapping[int, int]) -> None:
    """Put jobs without a batch into their batches, which were taken over later."""
    session.execute(_JOIN_BATCH, [{"id": one, "batch": to} for one, to in batch_of.items()])


def reopen_batches(session: Session, ids: Collection[int]) -> None:
    """Open batches again that get more jobs, because they may not be over."""
    if ids:
        session.execute(_REOPEN, {"ids": list(ids)})


def next_ids(session: Session, table: str, count: int) -> list[int]:
    """Return ids for so many new rows, in ascending order."""
    values = {"table": f"{SCHEMA}.{table}", "count": count}
    return sorted(session.scalars(_NEXT_IDS, values))


def products_of(session: Session, user_id: int, former_ids: Collection[int]) -> dict[int, int]:
    """Return the seller's products that name their former ids, by these."""
    if not former_ids:
        return {}
    values = {"user_id": user_id, "former": [str(one) for one in former_ids]}
    return {int(row.former_id): row.id for row in session.execute(_PRODUCTS, values)}


def taken_keys(session: Session, user_id: int, keys: Sequence[str]) -> frozenset[str]:
    """Return those idempotency keys of the seller that stand for another job already."""
    if not keys:
        return frozenset()
    return frozenset(session.scalars(_TAKEN_KEYS, {"user_id": user_id, "keys": list(keys)}))


def write_jobs(
    session: Session, jobs: Sequence[Mapping[str, Any]], former: Sequence[Mapping[str, Any]]
) -> None:
    """Insert jobs together with the records of their former rows.

    Raises:
        DatabaseRefused: PostgreSQL does not accept a value; nothing was written.
    """
    with mapped_value_errors():
        session.execute(insert(MarketplaceJob), list(jobs))
        # These records outlive the jobs, so that a job which the retention removed does not come
        # back with the next import.
        session.execute(insert(FormerRow), list(former))


def write_batches(
    session: Session, made: Sequence[Mapping[str, Any]], former: Sequence[Mapping[str, Any]]
) -> None:
    """Insert open batches together with the records of their former rows."""
    with mapped_value_errors():
        session.execute(insert(BatchJob), list(made))
        session.execute(insert(FormerRow), list(former))


def close_batch(
    session: Session,
    batch_id: int,
    former: tuple[BatchStatus | None, dict[str, int], datetime | None],
) -> None:
    """Close a batch whose jobs are all over, with the time at which the last one ended."""
    batch = session.get(BatchJob, batch_id, with_for_update=True)
    if batch is None or batch.completed_at is not None:
        return
    counts = batch_rows.count_jobs(session, [batch_id])[batch_id]
    if counts.unfinished:
        return
    was, counted, ended = former
    # The jobs of the batch are gone there, so that only its former counts tell how it went.
    if not counts.total:
        counts = BatchCounts(**counted)
    status = batch_status(counts, cancel_requested=batch.cancel_requested)
    # Where even these are missing, the batch keeps the status that it had there.
    batch.status = was.value if was is not None and not counts.total else status.value
    batch.counts = counts.as_json()
    last = select(MarketplaceJob.completed_at).where(
        MarketplaceJob.batch_job_id == batch_id,
        MarketplaceJob.status.in_([one.value for one in FINAL]),
    )
    latest = session.scalars(last.order_by(MarketplaceJob.completed_at.desc()).limit(1)).first()
    batch.completed_at = ended or latest or batch.created_at


def link_products(session: Session, schema: str, user_id: int) -> int:
    """Link jobs to products that were missing before; returns how many jobs go on."""
    rows = session.execute(_MISSING_PRODUCT, {"schema": schema}).all()
    found = products_of(session, user_id, {row.former_product_id for row in rows})
    linked = [row for row in rows if row.former_product_id in found]
    for row in linked:
        session.execute(
            _LINK,
            {
                "id": row.id,
                "product": found[row.former_product_id],
                "release": row.awaits_product,
            },
        )
    return len(linked)


class Stayed(NamedTuple):
    """A job whose end the former system does not know.

    Attributes:
        status: its status here, or None if it was removed.
    """

    schema: str
    id: int
    job: int
    status: str | None


def take_back(session: Session, schemas: Sequence[str]) -> tuple[int, int, list[Stayed]]:
    """Remove imported rows on which no run has worked since.

    Returns:
        The numbers of removed jobs and batches, and the jobs that have run here and stay.
    """
    values = {"schemas": list(schemas)}
    jobs = session.execute(_UNTOUCHED, values).all()
    made = session.execute(_EMPTY_BATCHES, values).all()
    for table, gone in ((JOBS, jobs), (BATCHES, made)):
        for schema in schemas:
            ids = [row.former_id for row in gone if row.schema_name == schema]
            session.execute(
                delete(FormerRow).where(
                    FormerRow.schema_name == schema,
                    FormerRow.table_name == table,
                    FormerRow.former_id.in_(ids),
                )
            )
    stay = [Stayed(*row) for row in session.execute(_STAYED, values)]
    return len(jobs), len(made), stay
