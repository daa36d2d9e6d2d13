"""sync_orders_etsy: store the sales, and what became of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypedDict

from sqlalchemy.orm import Session

from plugins.etsy.client import EtsyClient
from plugins.etsy.rows import order_row
from plugins.etsy.shapes import CountedPage
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
"""Etsy takes no time before the year 2000."""


FIRST = timedelta(days=90)
"""How far back the first sync of a shop goes: an older sale says nothing of what is left now."""


class StoredOrderPage(TypedDict):
    """A page as it is recorded: what was stored of it, and how many there are on all.

    ``jobs`` are those in the seller's other shops that its sales called for.
    """

    ids: list[str]
    records: int
    count: int
    new: list[str]
    sales: list[Sale]
    jobs: list[int]


class SyncOrdersEtsy(BaseJobHandler):
    """Reads the sales that changed since the last sync that reached its end.

    What changed last comes first. So what changes meanwhile moves the rest towards pages that
    are not read yet, and none is missed; the changed one itself is for the next sync. Each page
    is stored as it comes, together with the jobs that a sale calls for in the seller's other
    shops. ``input_data.full`` reads all there ever were.
    """

    async def execute(self, job: Job) -> dict[str, Any]:
        """Read and store the pages; then note how far they reach."""
        client = EtsyClient(self)
        window: OrderWindow = await self.transaction("begin", begin_order_sync, self.shop_id)
        since = None if job.input_data.get("full") is True else changed_since(window)
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
        """Ends with the transaction that stores the page, which is the step's record."""
        page = await client.receipts(offset, since)
        if page["count"] > MAX_ORDERS:
            raise JobFailed(
                f"the shop has {page['count']:,} orders, as Etsy says, and that is more than "
                f"{MAX_ORDERS:,}: check the shop's external id"
            )
        rows, problems = readable(page["results"], order_row)
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
    """From when on changes have to be read, in seconds since 1970."""
    if window["since"] is None:
        since = datetime.fromisoformat(window["began"]) - FIRST
    else:
        since = datetime.fromisoformat(window["since"])
    return max(int(since.timestamp()), EARLIEST)


@hookimpl
def job_handler() -> type[SyncOrdersEtsy]:
    """The handler of ``sync_orders_etsy``."""
    return SyncOrdersEtsy
