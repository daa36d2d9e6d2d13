"""sync_orders_etsy: store the sales, and what became of them."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypedDict

from sqlalchemy.orm import Session

from plugins.etsy.client import EtsyClient
from plugins.etsy.rows import order_row
from plugins.etsy.walk import Look
from runtime import BaseJobHandler, Job, JobFailed, hookimpl
from runtime.errors import InputError
from runtime.order_rows import OrderRow
from runtime.sold_elsewhere import follow_sales
from runtime.storage import order_sync
from runtime.storage.orders import Upserted, upsert_orders

MAX_ORDERS = 100_000
EARLIEST = 946_684_800
"""Etsy takes no time before the year 2000."""


class StoredPage(TypedDict):
    """A page as it is recorded: what can be stored of it, and what it says of all."""

    rows: list[OrderRow]
    records: int
    count: int


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
        window: order_sync.Window = await self.transaction("begin", order_sync.begin, self.shop_id)
        since = None if job.input_data.get("full") is True else _seconds(window["since"])
        new: list[str] = []
        sales: list[Any] = []
        jobs: list[int] = []
        known: set[str] = set()
        errors, look = 0, Look()
        while not look.is_over:
            number = look.pages + 1
            page: StoredPage = await self.step(
                f"page-{number}", partial(_read_page, client, look.offset, since)
            )
            rows = page["rows"]
            stored: Stored = await self.transaction(
                f"store-page-{number}", store, self.shop_id, rows
            )
            new += stored["new"]
            sales += stored["sales"]
            jobs += stored["jobs"]
            known.update(stored["known"])
            if unreadable := page["records"] - len(rows):
                self.log.warning("orders that cannot be stored", page=number, orders=unreadable)
            errors += unreadable
            look.add(page["count"], [one["external_id"] for one in rows], page["records"])
            await self.progress(len(look.ids), max(page["count"], len(look.ids)), "orders")
        await self.transaction("finish", order_sync.finish, self.shop_id, window["began"])
        return {
            "success": True,
            "new": len(new),
            "updated": len(known.difference(new)),
            "errors": errors,
            "pages": look.pages,
            "sales": sales,
            "jobs": jobs,
        }


class Stored(Upserted):
    """What came of a page, and the jobs in the seller's other shops that it called for."""

    jobs: list[int]


def store(session: Session, shop_id: int, rows: Sequence[OrderRow]) -> Stored:
    """Store sales, and let the seller's other shops follow them."""
    stored = upsert_orders(session, shop_id, rows)
    return Stored(**stored, jobs=follow_sales(session, shop_id, stored["sales"]))


async def _read_page(client: EtsyClient, offset: int, since: int | None) -> StoredPage:
    page = await client.receipts(offset, since)
    if page["count"] > MAX_ORDERS:
        raise JobFailed(
            f"the shop has {page['count']:,} orders, as Etsy says, and that is more than "
            f"{MAX_ORDERS:,}: check the shop's external id"
        )
    rows = []
    for one in page["results"]:
        try:
            rows.append(order_row(one))
        except InputError:
            continue
    return StoredPage(rows=rows, records=len(page["results"]), count=page["count"])


def _seconds(moment: str | None) -> int | None:
    if moment is None:
        return None
    return max(int(datetime.fromisoformat(moment).timestamp()), EARLIEST)


@hookimpl
def job_handler() -> type[SyncOrdersEtsy]:
    """The handler of ``sync_orders_etsy``."""
    return SyncOrdersEtsy
