"""Looks whether a publishing, whose outcome is unknown, has put an item on sale.

Before the first try the job recorded the ids of the newest items. An item that stands above them
now was added since::

    now                 recorded before
    new item  ◄── may be the job's own: same reference, or no reference, same title and price
    new item  ◄── another reference: another job's
    item 3    ◄───────  item 3      (the last known item ends the new ones)
    item 2              item 2

An item with the job's reference is the job's own. If the browser plugin does not know references,
an item with the product's title and price is taken; :func:`runtime.store.adopt_listing` makes sure
that no other job has published it.

An item of the same title and price, which the seller put on sale by hand in the same minutes,
cannot be told from the job's own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from plugins.vinted.client import VintedBrowser
from plugins.vinted.page_totals import PageTotals
from runtime import CannotTell
from runtime.store import ListingRow

# A wardrobe that changed while it was read is read again, because the item may have slipped to a
# page that was read already. A wardrobe that never rests leaves the question to a person.
MAX_LOOKS = 3


@dataclass(slots=True)
class NewestItemsLook:
    """The items that one look has seen, from the newest on."""

    rows: list[ListingRow] = field(default_factory=list)
    unidentified: int = 0
    totals: PageTotals = field(default_factory=PageTotals)

    def doubt(self) -> str | None:
        """Return why the look may have missed an item, or None if it cannot have."""
        if self.unidentified:
            return f"{self.unidentified} item(s) had no usable id"
        return self.totals.doubt()


async def find_published(
    browser: VintedBrowser, product: dict[str, Any], before: Sequence[str] | None
) -> list[ListingRow]:
    """Return the items that the publishing may have made, the oldest first; [] if it made none.

    Args:
        before: the ids of the newest items before the first try; None if they could not be read
            then.

    Raises:
        CannotTell: only a person can decide.
    """
    doubt = None
    for _ in range(MAX_LOOKS):
        look = await _look(browser, set(before or ()))
        found = _own(_since(look.rows, before), browser.reference, product, before is None)
        doubt = look.doubt()
        # A doubt matters only to "no": an item that was found is there, however the wardrobe moved.
        if found or doubt is None:
            return found
    raise CannotTell(f"it is not in the wardrobe as it could be read, but {doubt}")


def is_certain(browser: VintedBrowser, found: Sequence[ListingRow]) -> bool:
    """Return whether a found item bears the job's reference, and does not only look alike."""
    return any(row["data"].get("reference") == browser.reference for row in found)


async def _look(browser: VintedBrowser, before: set[str]) -> NewestItemsLook:
    """Read pages until most items of a page were there before, or until the wardrobe ends."""
    look = NewestItemsLook()
    number, total_pages = 0, 1
    while number < total_pages:
        number += 1
        page = await browser.wardrobe(number)
        look.rows += page["rows"]
        look.unidentified += page["unidentified"]
        look.totals.add(page["total_pages"], page["total_entries"])
        total_pages = page["total_pages"]
        known = sum(row["external_id"] in before for row in page["rows"])
        if known * 2 > len(page["rows"]):
            break
    return look


def _since(rows: Sequence[ListingRow], before: Sequence[str] | None) -> list[ListingRow]:
    """Return the items above the last item that was among the newest before."""
    if not before:
        return list(rows)
    known = set(before)
    places = [place for place, row in enumerate(rows) if row["external_id"] in known]
    # If all of the former items are gone, nothing marks the border, and any item may be new.
    end = places[-1] if places else len(rows)
    return [row for row in rows[:end] if row["external_id"] not in known]


def _own(
    rows: Sequence[ListingRow], reference: str, product: dict[str, Any], blind: bool
) -> list[ListingRow]:
    named = [row for row in rows if row["data"].get("reference") == reference]
    if named:
        return named
    # An item with another reference was published by another job, so only items without any can be
    # the job's own.
    nameless = [row for row in rows if not row["data"].get("reference")]
    alike = [row for row in nameless if _is_alike(row, product)]
    sure = [row for row in alike if _same_price(row, product)]
    # "Yes" and "no" would both be guesses here: nothing tells old items from new ones, the title
    # fits and the price does not, or an item cannot be read. A wrong "no" puts the product on sale
    # twice.
    if (blind and alike) or len(alike) != len(sure) or any(row["flaw"] for row in nameless):
        ids = ", ".join(row["external_id"] for row in alike or nameless)
        raise CannotTell(f"the item {ids} could be it, or could not")
    # The oldest goes first. Jobs with products that look the same recorded the wardrobe one after
    # the other, and an early item is new only to the jobs that recorded it early.
    return sure[::-1]


def _is_alike(row: ListingRow, product: dict[str, Any]) -> bool:
    return row["title"] is not None and _words(row["title"]) == _words(product["title"])


def _words(title: str) -> list[str]:
    """Return the words of a title without signs and pictures, which Vinted may have removed."""
    folded = title.casefold()
    return re.findall(r"\w+", folded) or folded.split()


def _same_price(row: ListingRow, product: dict[str, Any]) -> bool:
    return row["price"] is not None and Decimal(row["price"]) == Decimal(product["price"])
