"""sync_orders_ebay: store what was sold, and let the seller's other shops follow."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypedDict

from sqlalchemy.orm import Session

from plugins.ebay.client import EbayClient
from plugins.ebay.orders import Orders, parse_order
from runtime import BaseJobHandler, InputError, Job, JobFailed, hookimpl
from runtime.store import (
    OrderRow,
    OrderWindow,
    Sale,
    begin_order_sync,
    finish_order_sync,
    follow_sales,
    unread_orders_warning,
    upsert_orders,
)

MOST_PAGES = 10_000
LONGEST_WINDOW = timedelta(days=729)
"""eBay says two years, and answers a moment more with an error."""


class PageDone(TypedDict):
    """What became of a page; ``jobs`` are those that bring other shops up to date."""

    next: str | None
    new: int
    updated: int
    errors: int
    sales: list[Sale]
    jobs: list[int]


class SyncOrdersEbay(BaseJobHandler):
    """Reads what changed since the last sync that reached its end, and stores each page.

    ``input_data.days`` reads the orders that were made in so many days instead.
    """

    async def execute(self, job: Job) -> dict[str, Any]:
        """Read and store all pages; then note until when all is stored."""
        days = _checked_days(job.input_data.get("days"))
        window = await self.transaction("begin", begin_order_sync, self.shop_id)
        began = datetime.fromisoformat(window["began"])
        since = _since(window, began) if days is None else began - days
        field = "lastmodifieddate" if days is None else "creationdate"
        pages: list[PageDone] = []
        following: str | None = None
        while not pages or following is not None:
            number = len(pages) + 1
            if number > MOST_PAGES:
                raise JobFailed(f"there are more than {MOST_PAGES:,} pages of orders")
            page: PageDone = await self.step(
                f"page-{number}",
                partial(self._page, number, following, since, field),
                repeatable=True,
            )
            if page["next"] is not None and any(page["next"] == one["next"] for one in pages):
                raise JobFailed(f"page {number} of the orders leads back to an earlier one")
            pages.append(page)
            following = page["next"]
            await self.progress(number, None, f"{number} pages of orders")
        errors = sum(page["errors"] for page in pages)
        if days is None and not errors:
            await self.transaction("finish", finish_order_sync, self.shop_id, window["began"])
        return {
            "success": True,
            "new": sum(page["new"] for page in pages),
            "updated": sum(page["updated"] for page in pages),
            "errors": errors,
            "pages": len(pages),
            "sales": [sale for page in pages for sale in page["sales"]],
            "jobs": [job_id for page in pages for job_id in page["jobs"]],
            **unread_orders_warning(errors),
        }

    async def _page(
        self, number: int, following: str | None, since: datetime | None, field: str
    ) -> PageDone:
        page = await Orders(EbayClient(self)).page(following, since, field)
        rows, errors = [], 0
        for entry in page.rows:
            try:
                rows.append(parse_order(entry))
            except InputError as error:
                errors += 1
                self.log.warning("an order cannot be stored", reason=str(error))
        done: PageDone = await self.transaction(
            f"page-{number}", _store, self.shop_id, rows, page.next, errors
        )
        return done


def _store(
    session: Session,
    shop_id: int,
    rows: Sequence[OrderRow],
    following: str | None,
    errors: int,
) -> PageDone:
    stored = upsert_orders(session, shop_id, rows)
    return PageDone(
        next=following,
        new=len(stored["new"]),
        updated=len(stored["known"]),
        errors=errors,
        sales=stored["sales"],
        jobs=follow_sales(session, shop_id, stored["sales"]),
    )


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
