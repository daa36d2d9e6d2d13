"""Taking over what one schema of the former system holds, a page of rows at a time."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from runtime.errors import DatabaseRefused, InputError
from runtime.former_report import Refusal, Report
from runtime.former_rows import (
    FormerBatch,
    FormerJob,
    KnownActions,
    product_reason,
    read_batch,
    read_job,
    running_reason,
)
from runtime.former_shops import FormerShops
from runtime.product_key import product_key
from runtime.states import JobStatus
from runtime.storage import former_import as storage
from runtime.storage import former_tables
from runtime.storage.engine import Database, database_errors
from runtime.storage.former_tables import BATCHES, FormerTable, Row

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How an import is to be made.

    Attributes:
        shops: finds the shop of each job.
        expires: False: jobs that wait do so however long, those too whose time ran out.
        retention: jobs that ended longer ago are removed when the service tidies up.
        progress: told how many more rows were looked at.
    """

    shops: FormerShops
    retention: timedelta
    expires: bool = True
    progress: Callable[[int], None] = lambda _rows: None


class FormerSchema:
    """The import of one schema, which is one seller."""

    def __init__(
        self, database: Database, terms: Terms, report: Report, schema: str, user_id: int
    ) -> None:
        self._database = database
        self._shops = terms.shops
        self._expires = terms.expires
        self._retention = terms.retention
        self._progress = terms.progress
        self._report = report
        self._schema = schema
        self._user_id = user_id
        self._batch_ids: dict[int, int | None] = {}

    @property
    def _dry_run(self) -> bool:
        return self._shops.dry_run

    def take_over(self, batches: FormerTable | None, jobs: FormerTable | None) -> None:
        """Batches first, which jobs name; they are closed when their jobs are there."""
        if batches is not None:
            self._each_page(batches, self._take_batches)
        if jobs is not None:
            self._each_page(jobs, self._take_jobs)
            with self._database.transaction("former-import") as session:
                if not self._dry_run:
                    linked = storage.link_products(session, self._schema, self._user_id)
                    self._report.linked += linked
        if batches is not None and not self._dry_run:
            for page in self._pages(batches):
                with self._database.transaction("former-import") as session:
                    self._close_batches(session, batches, page)

    def _pages(self, table: FormerTable) -> Iterator[list[Row]]:
        after: int | None = None
        while True:
            with database_errors(), self._database.session() as session:
                page = former_tables.read_page(session, table, after, PAGE)
            if not page:
                return
            yield page
            after = page[-1]["id"]

    def _each_page(
        self, table: FormerTable, take: Callable[[Session, FormerTable, list[Row]], None]
    ) -> None:
        for page in self._pages(table):
            self._take_page(table, page, take)
            self._progress(len(page))

    def _take_page(
        self,
        table: FormerTable,
        page: list[Row],
        take: Callable[[Session, FormerTable, list[Row]], None],
    ) -> None:
        """One transaction; where a value is refused, halve the page until its row stands alone."""
        before = deepcopy(self._report)
        try:
            with self._database.transaction("former-import") as session:
                take(session, table, page)
        except DatabaseRefused as error:
            self._shops.forget()
            self._report.restore(before)
            if len(page) == 1:
                self._refuse(table, page[0]["id"], str(error))
                return
            middle = len(page) // 2
            self._take_page(table, page[:middle], take)
            self._take_page(table, page[middle:], take)

    def _new_rows(self, session: Session, table: FormerTable, page: list[Row]) -> list[Row]:
        known = storage.taken_over(session, self._schema, table.name, [row["id"] for row in page])
        self._report.known += len(known)
        if table.name == BATCHES:
            self._batch_ids |= known
        return [row for row in page if row["id"] not in known]

    # --- batches --------------------------------------------------------------------------

    def _take_batches(self, session: Session, table: FormerTable, page: list[Row]) -> None:
        new = self._new_rows(session, table, page)
        actions, now = storage.known_actions(session), storage.now(session)
        read: list[FormerBatch] = []
        for row in new:
            try:
                read.append(read_batch(row, actions, now, self._user_id, follows=table.follows))
            except InputError as error:
                self._refuse(table, row["id"], str(error))
        if self._dry_run or not read:
            self._batch_ids |= dict.fromkeys(one.id for one in read)
        else:
            ids = storage.next_ids(session, table.name, len(read))
            pairs = list(zip(read, ids, strict=True))
            storage.write_batches(
                session,
                [_batch_values(one, new_id) for one, new_id in pairs],
                [self._reference(table, one.id, new_id) for one, new_id in pairs],
            )
            self._batch_ids |= {one.id: new_id for one, new_id in pairs}
        self._report.batches += len(read)

    def _close_batches(self, session: Session, table: FormerTable, page: list[Row]) -> None:
        actions, now = storage.known_actions(session), storage.now(session)
        for row in page:
            new_id = self._batch_ids.get(row["id"])
            if new_id is None:
                continue
            try:
                batch = read_batch(row, actions, now, self._user_id, follows=table.follows)
            except InputError:
                # It was changed since it was taken over; its jobs close it.
                continue
            former = (batch.over, batch.counts, batch.completed_at)
            storage.close_batch(session, new_id, former)

    # --- jobs -----------------------------------------------------------------------------

    def _take_jobs(self, session: Session, table: FormerTable, page: list[Row]) -> None:
        new = self._new_rows(session, table, page)
        actions, now = storage.known_actions(session), storage.now(session)
        read: list[tuple[FormerJob, int | None]] = []
        for row in new:
            try:
                job = self._read_job(table, row, actions, now)
                shop = self._shops.shop_of(
                    session, self._user_id, job.action.marketplace, job.shop_id
                )
            except InputError as error:
                self._refuse(table, row["id"], str(error))
            else:
                read.append((job, shop))
                ended = job.completed_at
                self._report.old += ended is not None and ended < now - self._retention
        counted = self._write_jobs(session, table, read) if read else Counter[str]()
        self._report.jobs += counted

    def _read_job(
        self, table: FormerTable, row: Row, actions: KnownActions, now: datetime
    ) -> FormerJob:
        return read_job(row, actions, now, follows=table.follows, expires=self._expires)

    def _write_jobs(
        self, session: Session, table: FormerTable, read: list[tuple[FormerJob, int | None]]
    ) -> Counter[str]:
        wanted = {one.product_id for one, _ in read if one.product_id is not None}
        products = storage.products_of(session, self._user_id, wanted)
        keys = [one.idempotency_key for one, _ in read if one.idempotency_key is not None]
        taken = set(storage.taken_keys(session, self._user_id, keys))
        ids = [0] * len(read)
        if not self._dry_run:
            ids = storage.next_ids(session, table.name, len(read))
        made, former = [], []
        for (job, shop), new_id in zip(read, ids, strict=True):
            product = products.get(job.product_id) if job.product_id is not None else None
            values = self._job_values(table, job, new_id, product)
            values["shop_id"] = shop
            key = job.idempotency_key
            values["idempotency_key"] = None if key in taken else key
            if key is not None:
                if key in taken:
                    self._note(f"{table.place} {job.id}: its idempotency key is taken by another")
                taken.add(key)
            awaits = values["status"] == JobStatus.PAUSED and job.was is JobStatus.PENDING
            made.append(values)
            former.append(
                self._reference(table, job.id, new_id)
                | {"former_product_id": job.product_id, "awaits_product": awaits}
            )
        if not self._dry_run:
            storage.write_jobs(session, made, former)
        return Counter(str(values["status"]) for values in made)

    def _job_values(
        self, table: FormerTable, job: FormerJob, new_id: int, product: int | None
    ) -> dict[str, Any]:
        """The columns of the new row, but for its shop and its key."""
        key = product_key(product, job.input_data)
        if key is None and job.product_id is not None:
            key = f"former:{job.product_id}"
        status, reason = job.status, None
        if job.was is JobStatus.RUNNING:
            reason = running_reason(table.place, job, new_id)
        elif job.was is JobStatus.PAUSED:
            reason = "it was paused in the former system"
        elif status is JobStatus.PENDING and job.product_id and not product and not job.product:
            status, reason = JobStatus.PAUSED, product_reason(self._schema, job)
        return {
            "id": new_id,
            "marketplace": job.action.marketplace,
            "action_type_id": job.action.id,
            "user_id": self._user_id,
            "product_id": product,
            "product_key": key,
            "batch_job_id": self._batch_of(table, job),
            "status": status.value,
            "priority": job.priority,
            "input_data": job.input_data,
            "result_data": job.result_data,
            "error_message": job.error_message or _expired(job),
            "retry_count": job.retry_count,
            "max_retries": job.max_retries,
            "waiting_reason": reason,
            "created_at": job.created_at,
            "run_at": job.run_at,
            "started_at": job.started_at,
            "completed_at": job.completed_at,
            "expires_at": job.expires_at,
        }

    def _batch_of(self, table: FormerTable, job: FormerJob) -> int | None:
        if job.batch_id is not None and job.batch_id not in self._batch_ids:
            self._note(f"{table.place} {job.id}: its batch {job.batch_id} was not taken over")
        return self._batch_ids.get(job.batch_id) if job.batch_id is not None else None

    def _reference(self, table: FormerTable, former_id: int, new_id: int) -> dict[str, Any]:
        return {
            "schema_name": self._schema,
            "table_name": table.name,
            "former_id": former_id,
            "new_id": new_id,
        }

    def _refuse(self, table: FormerTable, former_id: int, reason: str) -> None:
        self._report.refused.append(Refusal(self._schema, table.name, former_id, reason))

    def _note(self, text: str) -> None:
        self._report.notes.append(text)


def _batch_values(batch: FormerBatch, new_id: int) -> Mapping[str, Any]:
    return {
        "id": new_id,
        "marketplace": batch.action.marketplace,
        "action_type_id": batch.action.id,
        "created_by_user_id": batch.user_id,
        "priority": batch.priority,
        "cancel_requested": batch.over == "cancelled",
        "created_at": batch.created_at,
    }


def _expired(job: FormerJob) -> str | None:
    if job.status is job.was:
        return None
    if job.status is JobStatus.EXPIRED and job.expires_at is not None:
        when = job.expires_at.isoformat(timespec="seconds")
        return f"its time ran out in the former system ({when})"
    return None
