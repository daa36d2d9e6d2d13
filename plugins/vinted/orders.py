"""orders_vinted: store the new sales."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from plugins.vinted.client import MAX_PER_PAGE, VintedBrowser
from plugins.vinted.page_totals import PageTotals
from plugins.vinted.pages import money
from runtime import BaseJobHandler, InputError, Job, JobFailed, hookimpl
from runtime.store import (
    OrderLineRow,
    OrderRow,
    StoredOrders,
    checked_order,
    checked_order_line,
    known_orders,
    mark_listing_gone,
    store_orders,
)

MAX_ORDERS = 100_000
# A list that changes whenever it is read ends with a warning, because the orders that were read are
# worth storing all the same.
MAX_LOOKS = 3
NOT_SOLD = (
    "cancel", "refund", "annul", "anul", "storn", "rembours", "rimbors", "reembols", "erstatt",
    "terugbetaal", "zwr", "zruš", "atšauk", "grąžin",
)  # fmt: skip
"""Parts of a status which say that the seller has the thing, or gets it back.

They are in the languages of Vinted's sites, because browser plugins pass on the page's words."""


@dataclass(slots=True)
class NewestOrdersLook:
    """The orders that one look, from the newest on, has seen so far."""

    rows: dict[str, OrderRow] = field(default_factory=dict)
    errors: int = 0
    totals: PageTotals = field(default_factory=PageTotals)


class OrdersVinted(BaseJobHandler):
    """Reads the sales from the newest on, until it meets a sale that is stored.

    All new sales are stored at once at the end. The stored sales therefore never have a gap behind
    them, and a walk that meets one of them has met all new ones, whatever became of former jobs::

        newest ── new ── new ── stored ── stored ── … ── oldest
        └────── the walk ──────►│ stops after this page

    The last page is stored as a whole, because recent sales on it may have another status now.
    """

    async def execute(self, job: Job) -> dict[str, Any]:
        """Read pages; then store their orders."""
        everything = job.input_data.get("full") is True
        browser = VintedBrowser(self)
        rows: dict[str, OrderRow] = {}
        for number in range(1, MAX_LOOKS + 1):
            prefix = "" if number == 1 else f"look-{number}-"
            look = await self._look(browser, prefix, everything)
            # Each look adds to the former ones, because an order that slipped past one look is
            # found by another.
            rows |= look.rows
            doubt = look.totals.doubt(is_first=number == 1)
            if doubt is None:
                break
            self.log.warning("a look at the orders leaves a doubt", doubt=doubt, look=number)
        stored = await self.transaction("store", store, self.shop_id, list(rows.values()))
        result = {
            "success": True,
            "new": len(stored["new"]),
            "updated": len(stored["known"]),
            "errors": look.errors,
            "pages": look.totals.pages,
            "sales": stored["sales"],
            "jobs": stored["jobs"],
        }
        if doubt is not None:
            result["warning"] = (
                f"the list of orders was read {MAX_LOOKS} times, but {doubt}: one may be missing; "
                'fetch them once more with {"full": true}'
            )
        return result

    async def _look(
        self, browser: VintedBrowser, prefix: str, everything: bool
    ) -> NewestOrdersLook:
        look, total_pages = NewestOrdersLook(), 1
        while look.totals.pages < total_pages:
            number = look.totals.pages + 1
            page = await self.step(f"{prefix}page-{number}", partial(self._read, browser, number))
            found: list[OrderRow] = page["rows"]
            ids = [row["external_id"] for row in found]
            # Orders that moved from page to page may come twice, but not a whole page of them.
            if found and all(external_id in look.rows for external_id in ids):
                raise JobFailed(
                    f"page {number} of the orders holds only what earlier pages held, so their end "
                    "cannot be found: update the browser plugin, which seems to ignore `page`"
                )
            total_pages = page["total_pages"]
            look.rows |= dict(zip(ids, found, strict=True))
            look.errors += page["errors"]
            look.totals.add(total_pages, page.get("total_entries"))
            await self.progress(number, max(number, total_pages), f"{len(look.rows)} orders")
            # A job with "full" reads to the end, to find an order that an earlier walk may have
            # missed.
            if everything:
                continue
            name = f"{prefix}known-{number}"
            if await self.transaction(name, known_orders, self.shop_id, ids):
                break
        return look

    async def _read(self, browser: VintedBrowser, number: int) -> dict[str, Any]:
        frame = await browser.orders(number)
        if frame.total_pages * MAX_PER_PAGE > MAX_ORDERS:
            raise JobFailed(
                f"the shop has {frame.total_pages:,} pages of orders, as page {number} says, and "
                f"that is more than {MAX_ORDERS:,} orders: update the browser plugin"
            )
        rows, errors = _readable(frame.entries)
        return {
            "rows": rows,
            "errors": errors,
            "total_pages": frame.total_pages,
            "total_entries": frame.total_entries,
        }


def store(session: Session, shop_id: int, rows: Sequence[OrderRow]) -> StoredOrders:
    """Store sales, and mark their listings as gone.

    Vinted knows single pieces only, so a listing that was sold is gone. The seller's other shops
    get jobs, if the seller wants this.
    """
    stored = store_orders(session, shop_id, rows)
    new = set(stored["new"])
    sold = [row for row in rows if row["sold"] and row["external_id"] in new]
    # The order is fixed, so that two jobs which store sales of the same listings lock their rows in
    # the same order and cannot block each other.
    for listing in sorted(
        {one["listing_external_id"] or "" for row in sold for one in row["lines"]}
    ):
        mark_listing_gone(session, shop_id, listing)
    return stored


def _readable(entries: Sequence[Any]) -> tuple[list[OrderRow], int]:
    """Return the orders that can be stored, and the number of orders and pieces that cannot."""
    rows, errors = [], 0
    for entry in entries:
        try:
            row = parse_order(entry)
        except InputError:
            errors += 1
            continue
        rows.append(row)
        errors += len(_items(entry)) - len(row["lines"])
    return rows, errors


def _items(entry: dict[str, Any]) -> list[Any]:
    items = entry.get("items")
    return items if isinstance(items, list) else []


def _lines(entry: dict[str, Any]) -> Iterator[OrderLineRow]:
    for item in _items(entry):
        if isinstance(item, dict):
            # A piece that cannot be read does not hide the sale of the other pieces; it is counted
            # as an error.
            with suppress(InputError):
                yield checked_order_line(
                    item.get("id"), listing=item.get("id"), title=item.get("title")
                )


def parse_order(entry: Any) -> OrderRow:
    """Read one sale, with those of its pieces that have a usable id.

    Raises:
        InputError: the order has no usable id.
    """
    if not isinstance(entry, dict):
        raise InputError("an order must be an object")
    status, buyer = entry.get("status"), entry.get("buyer")
    total, currency = money(entry.get("price"))
    return checked_order(
        entry.get("id"),
        list(_lines(entry)),
        data=entry,
        sold=not any(word in str(status).lower() for word in NOT_SOLD),
        status=status,
        buyer=buyer.get("login") if isinstance(buyer, dict) else None,
        total=total,
        currency=currency,
        ordered_at=entry.get("ordered_at"),
    )


@hookimpl
def job_handler() -> type[OrdersVinted]:
    """The handler of ``orders_vinted``."""
    return OrdersVinted
