"""Looks whether a publishing, whose outcome is unknown, has put an item on sale.

What is known before the first try is which items were the newest then. An item that stands
above them now has come since. It is the job's own where it bears the job's reference. Where
the browser plugin does not know references, it is one with the product's title and price; that
it is not what another job published, is for :func:`runtime.store.adopt_listing` to say.

Two things of the same title and price, which the seller put on sale by hand in the same minutes,
cannot be told from it.
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

MAX_LOOKS = 3


@dataclass(slots=True)
class Look:
    """What one look, from the newest item on, has seen."""

    rows: list[ListingRow] = field(default_factory=list)
    unidentified: int = 0
    totals: PageTotals = field(default_factory=PageTotals)

    def doubt(self) -> str | None:
        """Why it may have missed an item that is there; None where it cannot have."""
        if self.unidentified:
            return f"{self.unidentified} item(s) had no usable id"
        return self.totals.doubt()


async def find_published(
    browser: VintedBrowser, product: dict[str, Any], before: Sequence[str] | None
) -> list[ListingRow]:
    """The items that the publishing may have made, the oldest first; none: it made none.

    Args:
        before: the ids of the newest items before the first try; None where they could not be
            read then.

    Raises:
        CannotTell: a person has to look.
    """
    doubt = None
    for _ in range(MAX_LOOKS):
        look = await _look(browser, set(before or ()))
        found = _own(_since(look.rows, before), browser.reference, product, before is None)
        doubt = look.doubt()
        if found or doubt is None:
            return found
    raise CannotTell(f"it is not in the wardrobe as it could be read, but {doubt}")


def is_certain(browser: VintedBrowser, found: Sequence[ListingRow]) -> bool:
    """Whether what was found bears the job's reference, and does not only look like it."""
    return any(row["data"].get("reference") == browser.reference for row in found)


async def _look(browser: VintedBrowser, before: set[str]) -> Look:
    """Read pages until most of one was there before, or the wardrobe ends."""
    look = Look()
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
    """The items above the last one that was among the newest before."""
    if not before:
        return list(rows)
    known = set(before)
    places = [place for place, row in enumerate(rows) if row["external_id"] in known]
    # With all of those gone, any item may have come since.
    end = places[-1] if places else len(rows)
    return [row for row in rows[:end] if row["external_id"] not in known]


def _own(
    rows: Sequence[ListingRow], reference: str, product: dict[str, Any], blind: bool
) -> list[ListingRow]:
    named = [row for row in rows if row["data"].get("reference") == reference]
    if named:
        return named
    nameless = [row for row in rows if not row["data"].get("reference")]
    alike = [row for row in nameless if _is_alike(row, product)]
    sure = [row for row in alike if _same_price(row, product)]
    if (blind and alike) or len(alike) != len(sure) or any(row["flaw"] for row in nameless):
        ids = ", ".join(row["external_id"] for row in alike or nameless)
        raise CannotTell(f"the item {ids} could be it, or could not")
    # The oldest first, so that what came later is left to jobs that have looked later.
    return sure[::-1]


def _is_alike(row: ListingRow, product: dict[str, Any]) -> bool:
    return row["title"] is not None and _words(row["title"]) == _words(product["title"])


def _words(title: str) -> list[str]:
    """Without signs and pictures, which Vinted may have taken out."""
    folded = title.casefold()
    return re.findall(r"\w+", folded) or folded.split()


def _same_price(row: ListingRow, product: dict[str, Any]) -> bool:
    return row["price"] is not None and Decimal(row["price"]) == Decimal(product["price"])
