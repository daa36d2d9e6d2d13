"""sync_ebay: store the listings of the seller's inventory."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, TypedDict

from sqlalchemy.orm import Session

from plugins.ebay.errors import Record
from plugins.ebay.listing import listing_row
from plugins.ebay.offers import listing_of
from plugins.ebay.shelf import Shelf
from plugins.ebay.walk import read_pages
from runtime import BaseJobHandler, CallRejected, Job, hookimpl
from runtime.store import (
    ListingCounts,
    ListingRow,
    LookReport,
    upsert_listings,
    walk_listings,
)

BAD_REQUEST = 400


class ListingPageDone(TypedDict):
    """The part of a page that a walk remembers, to go on and to know that it missed nothing.

    ``unread`` are SKUs whose offers eBay refuses to tell.
    """

    next: str | None
    total: int | None
    skus: list[str]
    unread: list[str]
    counts: ListingCounts


class SyncEbay(BaseJobHandler):
    """Walks over the inventory, reads the offers of each item, and stores what is published.

    A page is a step that ends with the transaction which stores it, so the journal holds only the
    SKUs of the page: 154 KB for a walk over 11,185 items, which every later run has to load. eBay
    tells offers by SKU only, so a walk makes one call for each item.
    """

    async def execute(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 - the interface
        """Read and store all pages; then mark as gone the listings that were on none of them."""
        # A look at 1,000 items takes about half an hour, so a second look is not worth its time. A
        # look that leaves a doubt marks nothing as gone, and the next sync decides.
        return await walk_listings(self, self._look, most_looks=1)

    async def _look(self, walk: str, prefix: str) -> LookReport:  # noqa: ARG002 - the only look
        pages = await read_pages(self, "the inventory", partial(self._page, walk), _progress)
        counts = Counter(imported=0, updated=0, errors=0)
        for page in pages:
            counts.update(page["counts"])
            counts["errors"] += len(page["unread"])
        skus = {sku for page in pages for sku in page["skus"]}
        result = {**counts, "items": len(skus), "pages": len(pages)}
        return LookReport(result, _doubt(pages, len(skus)))

    async def _page(self, walk: str, number: int, following: str | None) -> ListingPageDone:
        shelf = Shelf(self)
        page = await shelf.inventory.page(following)
        items = {str(item.get("sku")): item for item in page.rows if item.get("sku")}
        found = await self.gather(*(_on_sale(shelf, sku, item) for sku, item in items.items()))
        rows = [row for one in found if one is not None for row in one]
        done = ListingPageDone(
            next=page.next,
            total=page.total,
            skus=list(items),
            unread=[sku for sku, one in zip(items, found, strict=True) if one is None],
            counts=ListingCounts(imported=0, updated=0, errors=0),
        )
        stored: ListingPageDone = await self.transaction(
            f"page-{number}", _store, self.shop_id, walk, rows, done
        )
        return stored


async def _on_sale(shelf: Shelf, sku: str, item: Record) -> list[ListingRow] | None:
    """Return the listings of an item, or None if eBay refuses to tell them."""
    try:
        offers = await shelf.offers.of(sku)
    except CallRejected as error:
        # A 400 concerns this SKU alone, so the other items are still synced. Nothing is then marked
        # as gone, because the unread item may be on sale. Any other status concerns the whole walk.
        if error.status != BAD_REQUEST:
            raise
        return None
    product = item.get("product")
    title = product.get("title") if isinstance(product, dict) else None
    return [
        listing_row(listing_id, {"sku": sku, **offer}, title)
        for offer in offers
        if (listing_id := listing_of(offer)) is not None
    ]


def _store(
    session: Session,
    shop_id: int,
    walk: str,
    rows: Sequence[ListingRow],
    done: ListingPageDone,
) -> ListingPageDone:
    return {**done, "counts": upsert_listings(session, shop_id, walk, rows)}


def _progress(pages: list[ListingPageDone]) -> tuple[int, int, str]:
    items = sum(len(page["skus"]) for page in pages)
    return items, max(items, pages[-1]["total"] or 0), f"{items} items"


def _doubt(pages: Sequence[ListingPageDone], seen: int) -> str | None:
    """Return why the walk may have missed an item, or None if it cannot have.

    An item that is added or deleted while the pages are read moves others to another page.
    """
    totals = {page["total"] for page in pages if page["total"] is not None}
    if any(page["unread"] for page in pages):
        return "eBay does not tell the offers of some items"
    if len(totals) > 1:
        return "the inventory changed while it was read"
    if totals and totals != {seen}:
        return f"{max(totals)} items were announced and {seen} seen"
    return None


@hookimpl
def job_handler() -> type[SyncEbay]:
    """The handler of ``sync_ebay``."""
    return SyncEbay
