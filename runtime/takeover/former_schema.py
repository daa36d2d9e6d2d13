"""Takes over the rows of one schema of the former system, page by page."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from runtime.errors import DatabaseRefused, InputError
from runtime.former_system.changes import TakenOverRow, change, fingerprint, pause_reason, went_on
from runtime.former_system.imported_values import Surroundings, batch_values, job_values
from runtime.former_system.report import Report, RowProblem
from runtime.former_system.row_reader import (
    FormerBatch,
    FormerJob,
    KnownActions,
    read_batch,
    read_job,
)
from runtime.runs.job_states import JobStatus
from runtime.storage.former_system import imported_rows as storage
from runtime.storage.former_system import tables
from runtime.storage.former_system.tables import BATCHES, JOBS, FormerTable, Row
from runtime.storage.server.engine import Database, database_errors
from runtime.takeover.shops import FormerShops

PAGE = 500
BEGAN = (
    "it was tried in the former system, and is tried again here: look on the marketplace first, "
    "and cancel it where it took effect"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportTerms:
    """The terms of an import.

    Attributes:
        shops: finds the shop of each job.
        expires: whether waiting jobs expire; if not, they wait however long, also those whose
            time is over.
        retention: the service will remove jobs that ended longer ago than this.
        progress: is called with the number of rows of each part.
    """

    shops: FormerShops
    retention: timedelta
    expires: bool = True
    progress: Callable[[int], None] = lambda _rows: None


class FormerSchema:
    """Imports one schema, which belongs to one seller."""

    def __init__(
        self, database: Database, terms: ImportTerms, report: Report, schema: str, user_id: int
    ) -> None:
        self._database = database
        self._shops = terms.shops
        self._expires = terms.expires
        self._retention = terms.retention
        self._progress = terms.progress
        self._whole = report
        self._report = Report()
        self._schema = schema
        self._user_id = user_id
        # Batches by their former ids. A dry run makes none, so they have no id here yet.
        self._batch_ids: dict[int, int | None] = {}
        self._new_batches: dict[int, int] = {}

    @property
    def _dry_run(self) -> bool:
        return self._shops.dry_run

    def take_over(self, batches: FormerTable | None, jobs: FormerTable | None) -> None:
        """Take over the batches, then their jobs, and close the batches that are over."""
        # Batches come first, because jobs name them; they are closed last, because only their
        # jobs tell whether they are over.
        if batches is not None and not self._each_page(batches, self._take_batches):
            batches = None
        if jobs is not None and self._each_page(jobs, self._take_jobs):
            with self._database.transaction("former-import") as session:
                if not self._dry_run:
                    linked = storage.link_products(session, self._schema, self._user_id)
                    self._whole.linked += linked
        if batches is not None and not self._dry_run:
            for page in self._pages(batches):
                with self._database.transaction("former-import") as session:
                    self._close_batches(session, batches, page)

    def _pages(self, table: FormerTable) -> Iterator[list[Row]]:
        after: int | None = None
        while True:
            with database_errors(), self._database.session() as session:
                page = tables.read_page(session, table, after, PAGE)
            if not page:
                return
            yield page
            # Pages go on behind the last id and not at an offset, which would skip or repeat rows
            # if the former system writes meanwhile.
            after = page[-1]["id"]

    def _each_page(
        self, table: FormerTable, take: Callable[[Session, FormerTable, list[Row]], None]
    ) -> bool:
        """Take each page of the table; returns False if a part of it cannot be read."""
        try:
            doubtful = self._skip_doubtful(table)
            for page in self._pages(table):
                sure = [row for row in page if row["id"] not in doubtful]
                if sure:
                    self._take_page(table, sure, take)
                self._progress(len(page))
        except InputError as error:
            self._whole.skipped.append(RowProblem(self._schema, table.name, None, str(error)))
            return False
        return True

    def _skip_doubtful(self, table: FormerTable) -> dict[int | None, int]:
        """Find ids that are missing or not unique: rows are known by their ids."""
        with database_errors(), self._database.session() as session:
            doubtful = tables.doubtful_ids(session, table)
        # Of several rows with one id nobody could tell which of them was taken over before.
        for one, count in doubtful.items():
            told = f"{count} rows have no id" if one is None else f"{count} rows have that id"
            reason = f"{told}: give each one of its own, and import again"
            self._whole.skipped.append(RowProblem(self._schema, table.name, one, reason))
        self._progress(doubtful.get(None, 0))
        return doubtful

    def _take_page(
        self,
        table: FormerTable,
        page: list[Row],
        take: Callable[[Session, FormerTable, list[Row]], None],
    ) -> None:
        """Write a page in one transaction; halve it if a value is refused, to isolate the row."""
        self._report = Report()
        try:
            with self._database.transaction("former-import") as session:
                take(session, table, page)
        except DatabaseRefused as error:
            # The rollback took the shops and batches of this page with it.
            self._shops.forget()
            if table.name == BATCHES:
                for row in page:
                    self._batch_ids.pop(row["id"], None)
                    self._new_batches.pop(row["id"], None)
            if len(page) == 1:
                self._report = Report()
                self._skip(table, page[0]["id"], str(error))
            else:
                middle = len(page) // 2
                self._take_page(table, page[:middle], take)
                self._take_page(table, page[middle:], take)
                return
        self._whole.add(self._report)

    def _new_rows(self, session: Session, table: FormerTable, page: list[Row]) -> list[Row]:
        """Return the rows that were not taken over before; report what changed in the others."""
        ids = [row["id"] for row in page]
        known = storage.taken_over(session, self._schema, table.name, ids)
        self._report.known += len(known)
        if table.name == BATCHES:
            self._batch_ids |= {former_id: one.new_id for former_id, one in known.items()}
        met = [(row, known[row["id"]]) for row in page if row["id"] in known]
        self._tell_changes(session, table, met)
        if table.name == JOBS and not self._dry_run:
            self._join_batches(session, met)
        return [row for row in page if row["id"] not in known]

    def _tell_changes(
        self, session: Session, table: FormerTable, met: list[tuple[Row, TakenOverRow]]
    ) -> None:
        """Let a job that went on there, and has not begun here, wait for a person."""
        to_pause: dict[int, str] = {}
        for row, before in met:
            told = change(row, before)
            if told is not None:
                self._report.changed.append(RowProblem(self._schema, table.name, row["id"], told))
                # Here the job may not have begun, but there it may be done: running it now could
                # do it twice.
                if table.name == JOBS and went_on(row, before):
                    to_pause[before.new_id] = pause_reason(table.qualified_name, row, before)
        said = [
            {"former_id": row["id"], **_said(row)}
            for row, before in met
            if before.fingerprint != fingerprint(row)
        ]
        if said and not self._dry_run:
            storage.remember(session, self._schema, table.name, said)
            if to_pause:
                storage.pause_jobs(session, to_pause)

    def _join_batches(self, session: Session, met: list[tuple[Row, TakenOverRow]]) -> None:
        """Link the jobs whose batch could not be taken over before, and now was."""
        late = {
            before.new_id: self._new_batches[row["batch_job_id"]]
            for row, before in met
            if row.get("batch_job_id") in self._new_batches
        }
        if late:
            storage.join_batches(session, late)

    # --- batches --------------------------------------------------------------------------

    def _take_batches(self, session: Session, table: FormerTable, page: list[Row]) -> None:
        new = self._new_rows(session, table, page)
        rows = {row["id"]: row for row in new}
        actions, now = storage.known_actions(session), storage.now(session)
        read: list[FormerBatch] = []
        for row in new:
            try:
                read.append(read_batch(row, actions, now, self._user_id, follows=table.follows))
            except InputError as error:
                self._skip(table, row["id"], str(error))
        if self._dry_run or not read:
            self._batch_ids |= dict.fromkeys(one.id for one in read)
        else:
            ids = storage.next_ids(session, table.name, len(read))
            pairs = list(zip(read, ids, strict=True))
            storage.write_batches(
                session,
                [batch_values(one, new_id) for one, new_id in pairs],
                [self._reference(table, rows[one.id], new_id) for one, new_id in pairs],
            )
            made = {one.id: new_id for one, new_id in pairs}
            self._batch_ids |= made
            self._new_batches |= made
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
                # The batch was changed since it was taken over, so its jobs close it.
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
                self._skip(table, row["id"], str(error))
            else:
                read.append((job, shop))
                # Such jobs are taken over all the same, and the report tells that the service will
                # remove them.
                ended = job.completed_at
                self._report.old += ended is not None and ended < now - self._retention
        if read:
            rows = {row["id"]: row for row in new}
            self._report.jobs += self._write_jobs(session, table, read, rows, now)

    def _read_job(
        self, table: FormerTable, row: Row, actions: KnownActions, now: datetime
    ) -> FormerJob:
        return read_job(row, actions, now, follows=table.follows, expires=self._expires)

    def _write_jobs(
        self,
        session: Session,
        table: FormerTable,
        read: list[tuple[FormerJob, int | None]],
        rows: dict[int, Row],
        now: datetime,
    ) -> Counter[str]:
        wanted = {one.product_id for one, _ in read if one.product_id is not None}
        products = storage.products_of(session, self._user_id, wanted)
        keys = self._free_keys(session, table, [job for job, _ in read])
        # A dry run takes no ids, because sequences do not roll back.
        ids = [0] * len(read)
        if not self._dry_run:
            ids = storage.next_ids(session, table.name, len(read))
        made, former = [], []
        for (job, shop), new_id in zip(read, ids, strict=True):
            product = products.get(job.product_id) if job.product_id is not None else None
            around = Surroundings(
                user_id=self._user_id, shop=shop, product=product,
                batch=self._batch_of(table, job), key=keys.get(job.id),
            )  # fmt: skip
            values = job_values(self._schema, table.name, job, new_id, around, now)
            if job.began_before:
                self._note(f"{table.qualified_name} {job.id}: {BEGAN}")
            # A job that waited there and is paused here waits for its product, and goes on with the
            # first import after that of the product.
            awaits = values["status"] == JobStatus.PAUSED and job.was is JobStatus.PENDING
            made.append(values)
            former.append(
                self._reference(table, rows[job.id], new_id)
                | {"former_product_id": job.product_id, "awaits_product": awaits}
            )
        if not self._dry_run:
            named = {one["batch_job_id"] for one in made} - {None}
            # Batches of a former import may be closed, and get further jobs now.
            storage.reopen_batches(session, named - set(self._new_batches.values()))
            storage.write_jobs(session, made, former)
        return Counter(str(values["status"]) for values in made)

    def _free_keys(
        self, session: Session, table: FormerTable, read: list[FormerJob]
    ) -> dict[int, str]:
        """Return the idempotency keys of jobs, except keys that stand for another job already."""
        named = [(one.id, one.idempotency_key) for one in read if one.idempotency_key is not None]
        taken = set(storage.taken_keys(session, self._user_id, [key for _, key in named]))
        free: dict[int, str] = {}
        for job_id, key in named:
            if key in taken:
                self._note(
                    f"{table.qualified_name} {job_id}: its idempotency key is taken by another"
                )
            else:
                free[job_id] = key
            # Two rows of this page may have the same key.
            taken.add(key)
        return free

    def _batch_of(self, table: FormerTable, job: FormerJob) -> int | None:
        if job.batch_id is not None and job.batch_id not in self._batch_ids:
            self._note(
                f"{table.qualified_name} {job.id}: its batch {job.batch_id} was not taken over"
            )
        return self._batch_ids.get(job.batch_id) if job.batch_id is not None else None

    def _reference(self, table: FormerTable, row: Row, new_id: int) -> dict[str, Any]:
        return {
            "schema_name": self._schema,
            "table_name": table.name,
            "former_id": row["id"],
            "new_id": new_id,
            **_said(row),
        }

    def _skip(self, table: FormerTable, former_id: int, reason: str) -> None:
        self._report.skipped.append(RowProblem(self._schema, table.name, former_id, reason))

    def _note(self, text: str) -> None:
        self._report.notes.append(text)


def _said(row: Row) -> dict[str, Any]:
    return {"former_status": row.get("status"), "fingerprint": fingerprint(row)}
