"""BatchJobService creates many jobs together, and looks after them as one batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from runtime.errors import BatchNotFound, InputError, ProductsNotFound, WaitTimeout
from runtime.jobs import completion
from runtime.jobs.creation import create_for_products, known_action_type
from runtime.jobs.request import JobRequest
from runtime.runs.batch_status import BatchCounts, BatchStatus, batch_status
from runtime.shops.choice import chosen_shop
from runtime.storage.models import BatchJob
from runtime.storage.queue import batch_rows
from runtime.storage.server.locks import bounded_lock_waits
from runtime.storage.server.session_errors import application_errors
from runtime.values.arguments import checked_id, checked_priority

# All jobs of a batch are made in one transaction, which must not take long.
MOST_PRODUCTS = 10_000


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it stood when it was read.

    Attributes:
        status: computed from the counts, so that it is right at any moment.
        completed_at: the time when the batch was closed, or None.
    """

    id: int
    marketplace: str
    action: str
    status: BatchStatus
    counts: BatchCounts
    priority: int
    created_by_user_id: int
    cancel_requested: bool
    created_at: datetime
    completed_at: datetime | None

    @property
    def over(self) -> bool:
        """Whether all jobs of the batch have ended."""
        return not self.counts.unfinished


class BatchJobService:
    """Creates batches, and looks after them, in the caller's transaction.

    No method commits. Every method raises :class:`runtime.applications.DatabaseUnavailable` if
    the server is away.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @application_errors()
    def create_batch_job(
        self,
        marketplace: str,
        action_code: str,
        product_ids: Sequence[int],
        priority: int | None = None,
        created_by_user_id: int | None = None,
        *,
        shop_id: int | None = None,
        input_data: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> Batch:
        """Create one job for each product, all of them or none.

        Args:
            product_ids: the ids; a product that is named twice gets one job.
            priority: 1 (critical) to 4 (low); the default is the action type's.
            created_by_user_id: the seller, who may be omitted if ``shop_id`` is given, or if the
                marketplace has exactly one shop.
            input_data: a JSON object for the handler of each job.
            force: publish products although they are on sale there, or are being published.

        Raises:
            ProductsNotFound: the seller does not have all these products.
            AlreadyPublished, ActionTypeNotFound, ShopRequired, ShopNotFound, InvalidJson,
            InputError
        """
        products = _checked_products(product_ids)
        action_type = known_action_type(self._session, marketplace, action_code)
        # The choices are made once for the batch, so that all its jobs agree in them.
        chosen = checked_priority(action_type.priority if priority is None else priority)
        shop = chosen_shop(self._session, marketplace, created_by_user_id, shop_id)
        missing = batch_rows.missing_products(self._session, shop.user_id, products)
        if missing:
            raise ProductsNotFound(shop.user_id, missing)
        # A savepoint, so that an error leaves no empty batch in the caller's transaction.
        with self._session.begin_nested():
            batch_id = batch_rows.insert_batch(
                self._session, marketplace, action_type.id, shop.user_id, chosen
            )
            request = JobRequest(
                marketplace=marketplace,
                action_code=action_code,
                shop_id=shop.id,
                batch_job_id=batch_id,
                priority=chosen,
                input_data=input_data,
                force=force,
            )
            create_for_products(self._session, request, products)
        return _existing(self._session, batch_id)

    @application_errors()
    def get_batch_by_id(self, batch_id: int) -> Batch | None:
        """Return the batch in its present state, or None."""
        return _read(self._session, batch_id)

    @application_errors()
    def get_batch_summary(self, batch_id: int) -> dict[str, Any]:
        """Return the batch as a JSON object: its status, its counts and ``progress_percent``.

        Raises:
            BatchNotFound
        """
        return batch_view(_existing(self._session, batch_id))

    @application_errors()
    def update_batch_progress(self, batch_id: int) -> Batch:
        """Close the batch if its jobs have all ended; the service does so by itself.

        Raises:
            BatchNotFound
        """
        # The former job service had this method; a running service closes batches by itself.
        batch_rows.close_ended(self._session, [checked_id(batch_id, "batch_id")])
        return _existing(self._session, batch_id)

    @application_errors()
    def list_active_batches(self, marketplace: str | None = None, limit: int = 50) -> list[Batch]:
        """Return the batches with jobs that are not over, the newest first."""
        rows = batch_rows.batch_rows(
            self._session, marketplace=marketplace, only_open=True, limit=limit
        )
        return read_batches(self._session, rows)

    @application_errors()
    def list_batches(self, marketplace: str | None = None, limit: int = 50) -> list[Batch]:
        """Return all batches, the newest first."""
        rows = batch_rows.batch_rows(
            self._session, marketplace=marketplace, only_open=False, limit=limit
        )
        return read_batches(self._session, rows)

    @application_errors()
    def cancel_batch(self, batch_id: int) -> Batch:
        """Cancel the jobs that are not over; their service ends those that run.

        Raises:
            BatchNotFound
        """
        _existing(self._session, batch_id)
        # A claim or an ending may hold a job's row for a moment.
        with bounded_lock_waits(self._session, f"a job of batch {batch_id}"):
            batch_rows.cancel_jobs(self._session, batch_id)
        return _existing(self._session, batch_id)

    def wait(
        self,
        batch_id: int,
        timeout: timedelta | float | None = None,
        look: Callable[[Batch], None] | None = None,
    ) -> Batch:
        """Wait until the jobs of a committed batch are over.

        Args:
            timeout: a timedelta or seconds; None waits without a limit.
            look: a function that is called with the batch after each look at it.

        Raises:
            WaitTimeout: the batch was not over in time, and goes on.
            BatchNotFound
        """
        engine = self._session.get_bind().engine
        longest = completion.as_timeout(timeout)

        def read() -> Batch:
            # A session of its own for each look: the caller's may be in a transaction that sees no
            # change.
            with application_errors(), Session(engine) as own:
                return _existing(own, batch_id)

        batch = completion.watch(read, lambda batch: batch.over, longest, look)
        if longest is not None and not batch.over:
            command = f"batches show {batch_id}"
            raise WaitTimeout(f"batch {batch_id}", batch.status.value, longest, command)
        return batch


def read_batches(session: Session, rows: Sequence[batch_rows.BatchRow]) -> list[Batch]:
    """Return the batches, with the counts that were stored when they closed, or those of now."""
    # The stored counts of a closed batch outlive its jobs, which pruning removes.
    live = batch_rows.count_jobs(session, [row.id for row, _ in rows if row.counts is None])
    return [_batch(row, code, live.get(row.id)) for row, code in rows]


def batch_view(batch: Batch) -> dict[str, Any]:
    """Return one batch as a JSON object, whose keys other software relies on."""
    counts = batch.counts
    return {
        "id": batch.id,
        "marketplace": batch.marketplace,
        "action": batch.action,
        "status": batch.status.value,
        **counts.as_json(),
        "progress_percent": round(100 * counts.ended / counts.total, 1) if counts.total else 100.0,
        "priority": batch.priority,
        "user_id": batch.created_by_user_id,
        "cancel_requested": batch.cancel_requested,
        "created_at": batch.created_at.isoformat(),
        "completed_at": None if batch.completed_at is None else batch.completed_at.isoformat(),
    }


def _existing(session: Session, batch_id: int) -> Batch:
    batch = _read(session, checked_id(batch_id, "batch_id"))
    if batch is None:
        raise BatchNotFound(batch_id)
    return batch


def _read(session: Session, batch_id: int) -> Batch | None:
    row = batch_rows.batch_by_id(session, batch_id)
    return None if row is None else read_batches(session, [row])[0]


def _batch(row: BatchJob, code: str, live: BatchCounts | None) -> Batch:
    counts = BatchCounts.from_json(row.counts or {}) if live is None else live
    return Batch(
        id=row.id,
        marketplace=row.marketplace,
        action=code,
        status=batch_status(counts, cancel_requested=row.cancel_requested),
        counts=counts,
        priority=row.priority,
        created_by_user_id=row.created_by_user_id,
        cancel_requested=row.cancel_requested,
        created_at=row.created_at,
        completed_at=row.completed_at,
    )


def _checked_products(product_ids: Sequence[int]) -> list[int]:
    # A text is a sequence, too: "12" would mean the products 1 and 2.
    if isinstance(product_ids, str | bytes):
        raise InputError(f"product_ids must be a list of ids, not {product_ids!r}")
    # Two jobs of one product in a batch would do the same work.
    products = list(dict.fromkeys(checked_id(one, "product_ids") for one in product_ids))
    if not products:
        raise InputError("a batch needs at least one product: product_ids is empty")
    if len(products) > MOST_PRODUCTS:
        raise InputError(
            f"a batch has at most {MOST_PRODUCTS:,} products, not {len(products):,}: split it"
        )
    return products
