"""sync_orders_ebay: store the sales, and let the seller's other shops follow."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypedDict

from sqlalchemy.orm import Session

from plugins.ebay.client import EbayClient
from plugins.ebay.orders import Orders, parse_order
from plugins.ebay.walk import read_pages
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

LONGEST_WINDOW = timedelta(days=729)
"""eBay allows two years and answers a moment more with an error, so a day is left as a margin."""


class OrderPageDone(TypedDict):
    """The result of a page; ``jobs`` are the jobs that bring other shops up to date."""

    next: str | None
    new: int
    updated: int
    errors: int
    sales: list[Sale]
    jobs: list[int]


class SyncOrdersEbay(BaseJobHandler):
    """Reads the orders that changed since the last sync that reached its end, and stores each page.

    With ``input_data.days`` it reads the orders that were made in so many days instead.
    """

    async def execute(self, job: Job) -> dict[str, Any]:
        """Read and store all pages; then record until when all orders are stored."""
        days = _checked_days(job.input_data.get("days"))
        # Pages are stored as they come, so a stored order does not mean that all before it are
        # stored. The shop's mark says this, and it moves only at the end of a walk.
        window = await self.transaction("begin", begin_order_sync, self.shop_id)
        began = datetime.fromisoformat(window["began"])
        since = _since(window, began) if days is None else began - days
        # By the time of the last change, an order that was paid back later comes again and gets its
        # new status.
        field = "lastmodifieddate" if days is None else "creationdate"
        pages = await read_pages(
            self, "the list of orders", partial(self._page, since, field), _progress
        )
        return await finish_orders(
            self,
            # A walk over a number of days leaves the mark alone: it may leave a gap before its
            # first day.
            window if days is None else None,
            pages,
            new=sum(page["new"] for page in pages),
            updated=sum(page["updated"] for page in pages),
            errors=sum(page["errors"] for page in pages),
        )

    async def _page(
        self, since: datetime | None, field: str, number: int, following: str | None
    ) -> OrderPageDone:
        page = await Orders(EbayClient(self)).page(following, since, field)
        rows, problems = readable(page.rows, parse_order)
        for problem in problems:
            self.log.warning("an order cannot be stored", reason=problem)
        done: OrderPageDone = await self.transaction(
            f"page-{number}", _store, self.shop_id, rows, page.next, len(problems)
        )
        return done


def _store(
    session: Session,
    shop_id: int,
    rows: Sequence[OrderRow],
    following: str | None,
    errors: int,
) -> OrderPageDone:
    stored = store_orders(session, shop_id, rows)
    return OrderPageDone(
        next=following,
        new=len(stored["new"]),
        updated=len(stored["known"]),
        errors=errors,
        sales=stored["sales"],
        jobs=stored["jobs"],
    )


def _progress(pages: list[OrderPageDone]) -> tuple[int, None, str]:
    return len(pages), None, f"{len(pages)} pages of orders"


def _since(window: OrderWindow, began: datetime) -> datetime | None:
    if window["since"] is None:
        return None
    return max(datetime.fromisoformat(window["since"]).astimezone(UTC), began - LONGEST_WINDOW)


def _checked_days(given: object) -> timedelta | None:
    if given is None:
        return None
    most = LONGEST_WINDOW.days
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
        raise JobFailed(f"days must be a whole number from 1 to {most}, not {given!r}")
    return timedelta(days=given)


@hookimpl
def job_handler() -> type[SyncOrdersEbay]:
    """The handler of ``sync_orders_ebay``."""
    return SyncOrdersEbay
