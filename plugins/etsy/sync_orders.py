"""sync_orders_etsy: store the sales and their present states."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypedDict

from sqlalchemy.orm import Session

from plugins.etsy.client import EtsyClient
from plugins.etsy.shapes import CountedPage
from plugins.etsy.stored_rows import order_row
from plugins.etsy.walk import OffsetLook
from runtime import BaseJobHandler, Job, JobFailed, hookimpl
from runtime.store import (
    OrderRow,
    OrderWindow,
    Sale,
    begin_order_sync,
    finish_orders,
    readable,
    store_orders,
)

MAX_ORDERS = 100_000
EARLIEST = 946_684_800
"""Etsy's document allows no time before the year 2000, in seconds since 1970."""


FIRST = timedelta(days=90)
"""The first sync of a shop goes so far back: an older sale says nothing of what is left now."""


class StoredOrderPage(TypedDict):
    """The record of a page: the stored ids, its records, and the number of records on all pages.

    ``jobs`` are the jobs that its sales made necessary in the seller's other shops.
    """

    ids: list[str]
    records: int
    count: int
    new: list[str]
    sales: list[Sale]
    jobs: list[int]


class SyncOrdersEtsy(BaseJobHandler):
    """Reads the sales that changed since the last sync that reached its end.

    The sale that changed last comes first. A sale that changes meanwhile moves the others towards
    pages that are not read yet, so none of them is missed; the next sync reads the changed sale.
    Each page is stored as it comes, together with the jobs that bring the seller's other shops up
    to date. ``input_data.full`` reads all sales that there ever were.
    """

    async def execute(self, job: Job) -> dict[str, Any]:
        """Read and store the pages; then note how far they reach."""
        client = EtsyClient(self)
        window: OrderWindow = await self.transaction("begin", begin_order_sync, self.shop_id)
        since = None if job.input_data.get("full") is True else changed_since(window)
        # The pages are kept in the journal, so a job that is taken up again counts the same sales.
        # Until when all is stored is noted behind the last page: a walk that failed on the way
        # hides nothing from the next one.
        pages: list[StoredOrderPage] = []
        look = OffsetLook()
        while not look.is_over:
            step = f"page-{look.pages + 1}"
            page: StoredOrderPage = await self.step(
                step, partial(self._read_page, client, step, look.offset, since)
            )
            pages.append(page)
            look.add(page["count"], page["ids"], page["records"])
            await self.progress(len(look.ids), max(page["count"], len(look.ids)), "orders")
        new = {one for page in pages for one in page["new"]}
        return await finish_orders(
            self,
            window,
            pages,
            new=len(new),
            updated=len(look.ids - new),
            errors=sum(page["records"] - len(page["ids"]) for page in pages),
        )

    async def _read_page(
        self, client: EtsyClient, step: str, offset: int, since: int | None
    ) -> StoredOrderPage:
        """Read and store a page; the transaction that stores it is also the record of the step."""
        page = await client.receipts(offset, since)
        if page["count"] > MAX_ORDERS:
            raise JobFailed(
                f"the shop has {page['count']:,} orders, as Etsy says, and that is more than "
                f"{MAX_ORDERS:,}: check the shop's external id"
            )
        rows, problems = readable(page["results"], order_row)
        # A sale that cannot be stored is told to the operator and does not stop the others, whose
        # products would stay on sale elsewhere.
        if problems:
            self.log.warning("orders that cannot be stored", problems=problems)
        stored: StoredOrderPage = await self.transaction(step, store_page, self.shop_id, rows, page)
        return stored


def store_page(
    session: Session, shop_id: int, rows: Sequence[OrderRow], page: CountedPage
) -> StoredOrderPage:
    """Store the sales of a page, and let the seller's other shops follow them."""
    stored = store_orders(session, shop_id, rows)
    return StoredOrderPage(
        ids=[one["external_id"] for one in rows],
        records=len(page["results"]),
        count=page["count"],
        new=stored["new"],
        sales=stored["sales"],
        jobs=stored["jobs"],
    )


def changed_since(window: OrderWindow) -> int:
    """Return the time from which on changes have to be read, in seconds since 1970."""
    # The first time counts from the beginning of this job and not from now, so that each run of it
    # asks for the same pages.
    if window["since"] is None:
        since = datetime.fromisoformat(window["began"]) - FIRST
    else:
        since = datetime.fromisoformat(window["since"])
    return max(int(since.timestamp()), EARLIEST)


@hookimpl
def job_handler() -> type[SyncOrdersEtsy]:
    """The handler of ``sync_orders_etsy``."""
    return SyncOrdersEtsy
