"""The actions that a seller's browser executes: what is sent, and what its answers mean.

Nothing else in this package knows their names, payloads or answers. An answer is read in the
step that asked for it, so that only what could be understood is ever recorded as its result.
"""

import reprlib
from typing import Any, TypedDict, final

from runtime import BaseJobHandler, JobFailed
from runtime.errors import InputError
from runtime.storage import listings

MAX_PER_PAGE = 96

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200
_SHORT.maxdict = _SHORT.maxlist = 12


@final
class Page(TypedDict):
    """One page of a wardrobe, as a JSON value.

    ``unidentified`` counts the items of which it cannot be told which listing they are;
    ``total_entries`` is None where the browser plugin does not count them.
    """

    rows: list[listings.ListingRow]
    unidentified: int
    total_pages: int
    total_entries: int | None


@final
class Summary(TypedDict):
    """The answer of older browser plugins, which walk by themselves and store elsewhere."""

    imported: int
    updated: int
    errors: int


class VintedBrowser:
    """The seller's browser, as the handler of one job sees it."""

    def __init__(self, handler: BaseJobHandler) -> None:
        self._handler = handler

    async def sync(self, page: int, per_page: int) -> Page | Summary:
        """One page of the shop's wardrobe, counted from 1.

        Raises:
            JobFailed: the answer cannot be understood.
        """
        payload = {
            "shop_id": self._handler.shop.external_id,
            "page": page,
            "per_page": per_page,
        }
        answer = await self._handler.call_websocket("VINTED_SYNC", payload, reads=True)
        return parse_sync(answer, page)


def parse_sync(answer: Any, page: int) -> Page | Summary:
    """Read what came back for a page that was asked for.

    Raises:
        JobFailed: it is neither that page nor, in the place of the first page, a summary.
    """
    if not isinstance(answer, dict):
        raise _unreadable("it is not an object", answer, page)
    if "items" in answer or "pagination" in answer:
        return _parse_page(answer, page)
    if page == 1 and "imported" in answer:
        return Summary(
            imported=_count(answer, "imported", answer, page),
            updated=_count(answer, "updated", answer, page),
            errors=_count(answer, "errors", answer, page),
        )
    expected = "{items, pagination}"
    if page == 1:
        expected += " and {imported, updated, errors}"
    raise _unreadable(f"expected were {expected}", answer, page)


def _parse_page(answer: dict[str, Any], page: int) -> Page:
    items = answer.get("items")
    if not isinstance(items, list):
        raise _unreadable("`items` is not a list", answer, page)
    pagination = answer.get("pagination")
    if not isinstance(pagination, dict):
        raise _unreadable("`pagination` is not an object", answer, page)
    current_page = _count(pagination, "current_page", answer, page)
    total_pages = _count(pagination, "total_pages", answer, page)
    total_entries = None
    if pagination.get("total_entries") is not None:
        total_entries = _count(pagination, "total_entries", answer, page)
    # Past the end, after the wardrobe shrank, a marketplace may repeat its last page.
    if current_page != page <= total_pages:
        raise _unreadable(f"it is page {current_page}", answer, page)
    if not items and page < total_pages:
        raise _unreadable(f"it is empty, though {total_pages} pages are announced", answer, page)
    if items and not total_pages:
        raise _unreadable("it has items, though 0 pages are announced", answer, page)
    rows, unidentified = _parse_items(items)
    return Page(
        rows=rows,
        unidentified=unidentified,
        total_pages=total_pages,
        total_entries=total_entries,
    )


def _parse_items(items: list[Any]) -> tuple[list[listings.ListingRow], int]:
    rows = []
    for item in items:
        try:
            rows.append(_parse_item(item))
        except InputError:
            continue
    return rows, len(items) - len(rows)


def _parse_item(item: Any) -> listings.ListingRow:
    if not isinstance(item, dict):
        raise InputError(f"an item must be an object, not {reprlib.repr(item)}")
    price: Any = item.get("price")
    currency = item.get("currency")
    if isinstance(price, dict):
        price, currency = price.get("amount"), price.get("currency_code")
    return listings.row(
        item.get("id"),
        title=item.get("title"),
        price=price,
        currency=currency,
        url=item.get("url"),
        data=item,
    )


def _count(holder: dict[str, Any], name: str, answer: object, page: int) -> int:
    value = holder.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _unreadable(f"`{name}` is not a count", answer, page)
    return value


def _unreadable(problem: str, answer: object, page: int) -> JobFailed:
    return JobFailed(
        f"the browser's answer to VINTED_SYNC for page {page} cannot be used: {problem} "
        f"(update the browser plugin). Shortened, it is: {_SHORT.repr(answer)[:300]}"
    )
