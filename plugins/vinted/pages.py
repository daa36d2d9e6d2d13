"""Reads the pages that a browser answers with: their frame strictly, their entries patiently.

A page whose frame is wrong could end a walk too early, and listings that are on sale would then
be marked as gone; so nothing is taken from such a page. A wrong entry costs only itself.
"""

import reprlib
from dataclasses import dataclass
from typing import Any, TypedDict, final

from runtime import InputError, JobFailed
from runtime.store import ListingRow, checked_listing

# An answer may be large, and the error that shows it is stored with the job.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200
_SHORT.maxdict = _SHORT.maxlist = 12


@final
class ListingPage(TypedDict):
    """One page of a wardrobe, as a JSON value.

    ``unidentified`` counts the items without a usable id, which may be any listing.
    ``total_entries`` is None if the browser plugin does not count the items.
    """

    rows: list[ListingRow]
    unidentified: int
    total_pages: int
    total_entries: int | None


@final
class Summary(TypedDict):
    """The answer of older browser plugins, which walk by themselves and store elsewhere."""

    imported: int
    updated: int
    errors: int


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that a page answers.

    Attributes:
        entries: the name under which the answer holds its entries.
    """

    action: str
    page: int
    entries: str = "items"

    def unreadable(self, problem: str, answer: object) -> JobFailed:
        """Return the error that names the problem and shows a little of the answer."""
        return JobFailed(
            f"the browser's answer to {self.action} for page {self.page} cannot be used: {problem} "
            f"(update the browser plugin). Shortened, it is: {_SHORT.repr(answer)[:300]}"
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """A page whose entries have not been read yet."""

    entries: list[Any]
    total_pages: int
    total_entries: int | None


def parse_sync(answer: Any, page: int) -> ListingPage | Summary:
    """Read the answer to a request for a page.

    Raises:
        JobFailed: the answer is neither that page nor, for the first page, a summary.
    """
    asked = Asked("VINTED_SYNC", page)
    if isinstance(answer, dict) and not ("items" in answer or "pagination" in answer):
        # An older browser plugin walks through all pages by itself, so its summary answers the
        # first request. In the middle of a walk a summary says nothing of the pages that are still
        # to come.
        if page == 1 and "imported" in answer:
            return Summary(
                imported=_count(answer, "imported", answer, asked),
                updated=_count(answer, "updated", answer, asked),
                errors=_count(answer, "errors", answer, asked),
            )
        expected = "{items, pagination}"
        if page == 1:
            expected += " and {imported, updated, errors}"
        raise asked.unreadable(f"expected were {expected}", answer)
    return parse_wardrobe(answer, asked)


def parse_wardrobe(answer: Any, asked: Asked) -> ListingPage:
    """Read a page of items.

    Raises:
        JobFailed: the answer is not that page.
    """
    frame = parse_frame(answer, asked)
    rows = []
    for item in frame.entries:
        try:
            rows.append(parse_item(item))
        # The item is counted as unidentified below. It could be any listing, so a walk with such an
        # item marks no listing as gone.
        except InputError:
            continue
    return ListingPage(
        rows=rows,
        unidentified=len(frame.entries) - len(rows),
        total_pages=frame.total_pages,
        total_entries=frame.total_entries,
    )


def parse_frame(answer: Any, asked: Asked) -> Frame:
    """Read the frame of a page, whatever its entries are.

    Raises:
        JobFailed: the answer is not that page.
    """
    if not isinstance(answer, dict):
        raise asked.unreadable("it is not an object", answer)
    entries = answer.get(asked.entries)
    if not isinstance(entries, list):
        raise asked.unreadable(f"`{asked.entries}` is not a list", answer)
    pagination = answer.get("pagination")
    if not isinstance(pagination, dict):
        raise asked.unreadable("`pagination` is not an object", answer)
    current_page = _count(pagination, "current_page", answer, asked)
    total_pages = _count(pagination, "total_pages", answer, asked)
    total_entries = None
    if pagination.get("total_entries") is not None:
        total_entries = _count(pagination, "total_entries", answer, asked)
    # After the list shrank, a page past its end may be answered with the last page once more. Such
    # an answer is accepted, because the walk ends there in any case.
    if current_page != asked.page <= total_pages:
        raise asked.unreadable(f"it is page {current_page}", answer)
    # An empty page before the last one contradicts its own count. As the end of the list, it would
    # make all that follows look gone.
    if not entries and asked.page < total_pages:
        raise asked.unreadable(f"it is empty, though {total_pages} pages are announced", answer)
    if entries and not total_pages:
        raise asked.unreadable(f"it has {asked.entries}, though 0 pages are announced", answer)
    return Frame(entries, total_pages, total_entries)


def parse_item(item: Any) -> ListingRow:
    """Read one item.

    Raises:
        InputError: the item has no usable id.
    """
    if not isinstance(item, dict):
        raise InputError(f"an item must be an object, not {reprlib.repr(item)}")
    price, currency = money(item.get("price"))
    return checked_listing(
        item.get("id"),
        title=item.get("title"),
        price=price,
        currency=item.get("currency") if currency is None else currency,
        url=item.get("url"),
        data=item,
    )


def money(value: Any) -> tuple[Any, Any]:
    """Return the amount and the currency of a price in any of its shapes."""
    if isinstance(value, dict):
        return value.get("amount"), value.get("currency_code")
    return value, None


def _count(holder: dict[str, Any], name: str, answer: object, asked: Asked) -> int:
    value = holder.get(name)
    # In Python, True is an int; as a count of pages it would end a walk after the first page.
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise asked.unreadable(f"`{name}` is not a count", answer)
    return value
