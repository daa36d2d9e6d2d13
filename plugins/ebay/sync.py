"""sync_ebay: store what is on sale in the seller's inventory."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, TypedDict

from sqlalchemy.orm import Session

from plugins.ebay.errors import Record
from plugins.ebay.listing import listing_row
from plugins.ebay.offers import listing_of
from plugins.ebay.shelf import Shelf
from runtime import BaseJobHandler, CallRejected, Job, JobFailed, hookimpl
from runtime.store import (
    ListingCounts,
    ListingRow,
    begin_walk,
    count_unseen_listings,
    mark_unseen_gone,
    upsert_listings,
)

MOST_PAGES = 10_000
BAD_REQUEST = 400


class PageDone(TypedDict):
    """What a walk remembers of a page: no more than it needs to go on and to know that it is whole.

    ``unread`` are SKUs whose offers eBay refuses to tell.
    """

    next: str | None
    total: int | None
    skus: list[str]
    unread: list[str]
    counts: ListingCounts


class SyncEbay(BaseJobHandler):
    """Walks over the inventory, reads the offers of each item, and stores what is published.

    A page is a step that ends with the transaction which stores it, so that the journal holds
    which SKUs it had and no more. eBay tells offers by SKU only: a walk asks once for each item.
    """

    async def execute(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 - the interface
        """Read and store all pages; then mark as gone what was on none of them."""
        walk = await self.transaction("begin-walk", begin_walk, self.shop_id)
        pages: list[PageDone] = []
        following: str | None = None
        while not pages or following is not None:
            number = len(pages) + 1
            if number > MOST_PAGES:
                raise JobFailed(
                    f"the inventory has more than {MOST_PAGES:,} pages: nothing is gone"
                )
            page: PageDone = await self.step(
                f"page-{number}", partial(self._page, number, walk, following), repeatable=True
            )
            if page["next"] is not None and any(page["next"] == one["next"] for one in pages):
                raise JobFailed(f"page {number} of the inventory leads back to an earlier one")
            pages.append(page)
            following = page["next"]
            items = sum(len(one["skus"]) for one in pages)
            await self.progress(items, max(items, page["total"] or 0), f"{items} items")
        return await self._concluded(walk, pages)

    async def _page(self, number: int, walk: str, following: str | None) -> PageDone:
        shelf = Shelf(self)
        page = await shelf.inventory.page(following)
        items = {str(item.get("sku")): item for item in page.rows if item.get("sku")}
        found = await self.gather(*(_on_sale(shelf, sku, item) for sku, item in items.items()))
        rows = [row for one in found if one is not None for row in one]
        done = PageDone(
            next=page.next,
            total=page.total,
            skus=list(items),
            unread=[sku for sku, one in zip(items, found, strict=True) if one is None],
            counts=ListingCounts(imported=0, updated=0, errors=0),
        )
        stored: PageDone = await self.transaction(
            f"page-{number}", _store, self.shop_id, walk, rows, done
        )
        return stored

    async def _concluded(self, walk: str, pages: Sequence[PageDone]) -> dict[str, Any]:
        counts = Counter(imported=0, updated=0, errors=0)
        for page in pages:
            counts.update(page["counts"])
            counts["errors"] += len(page["unread"])
        skus = {sku for page in pages for sku in page["skus"]}
        result: dict[str, Any] = {
            "success": True,
            **counts,
            "gone": 0,
            "items": len(skus),
            "pages": len(pages),
        }
        doubt = _doubt(pages, len(skus))
        if doubt is None:
            result["gone"] = await self.transaction(
                "mark-gone", mark_unseen_gone, self.shop_id, walk
            )
        elif unseen := await self.transaction(
            "count-unseen", count_unseen_listings, self.shop_id, walk
        ):
            result["warning"] = (
                f"{unseen} listing(s) were not seen, but {doubt}: none was marked as gone; "
                "sync again later"
            )
        return result


async def _on_sale(shelf: Shelf, sku: str, item: Record) -> list[ListingRow] | None:
    """The listings of an item; None where eBay refuses to tell."""
    try:
        offers = await shelf.offers.of(sku)
    except CallRejected as error:
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
    done: PageDone,
) -> PageDone:
    return {**done, "counts": upsert_listings(session, shop_id, walk, rows)}


def _doubt(pages: Sequence[PageDone], seen: int) -> str | None:
    """Why the walk may have missed an item; None where it cannot have.

    What is added or deleted while the pages are read moves others from one page to another.
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
