"""sync_etsy: store what is on sale in the shop."""

from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any, TypedDict

from sqlalchemy.orm import Session

from plugins.etsy.client import EtsyClient
from plugins.etsy.marketplace import etsy
from plugins.etsy.rows import listing_row
from plugins.etsy.shapes import Page
from plugins.etsy.walk import Look
from runtime import BaseJobHandler, InputError, Job, JobFailed, Marketplace, hookimpl
from runtime.store import (
    ListingCounts,
    ListingRow,
    begin_walk,
    count_unseen_listings,
    mark_unseen_gone,
    upsert_listings,
)

MAX_LISTINGS = 100_000
MAX_LOOKS = 3


class StoredPage(TypedDict):
    """A page as it is recorded: what was stored of it, and how many there are on all."""

    ids: list[str]
    records: int
    count: int
    counts: ListingCounts


class SyncEtsy(BaseJobHandler):
    """Reads the active listings page by page, and stores each page as it comes.

    Only a look that reached the last page, and cannot have missed anything on its way, says
    that a listing is gone. A look that leaves a doubt is taken again where that matters.
    """

    async def execute(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 - the interface
        """Read and store all pages; then mark as gone what was on none of them."""
        client = EtsyClient(self)
        walk: str = await self.transaction("begin-walk", begin_walk, self.shop_id)
        counts = Counter(imported=0, updated=0, errors=0)
        result: dict[str, Any] = {}
        for number in range(1, MAX_LOOKS + 1):
            prefix = "" if number == 1 else f"look-{number}-"
            look = await self._look(client, prefix, walk, counts)
            result = {"success": True, **counts, "gone": 0, "pages": look.pages}
            doubt = look.doubt()
            if doubt is None:
                result["gone"] = await self.transaction(
                    "mark-gone", mark_unseen_gone, self.shop_id, walk
                )
                return result
            unseen = await self.transaction(
                f"{prefix}count-unseen", count_unseen_listings, self.shop_id, walk
            )
            if not unseen:
                return result
            self.log.warning("a look at the shop leaves a doubt", doubt=doubt, unseen=unseen)
            result["warning"] = (
                f"{unseen} listing(s) were not seen, but {doubt}: none was marked as gone; "
                "sync again later"
            )
        return result

    async def _look(self, client: EtsyClient, prefix: str, walk: str, counts: Counter[str]) -> Look:
        look = Look()
        while not look.is_over:
            number = look.pages + 1
            step = f"{prefix}page-{number}"
            page: StoredPage = await self.step(
                step, partial(self._read_page, client, step, walk, look.offset)
            )
            counts.update(page["counts"])
            counts["errors"] += page["records"] - len(page["ids"])
            look.add(page["count"], page["ids"], page["records"])
            await self.progress(len(look.ids), max(page["count"], len(look.ids)), "listings")
        return look

    async def _read_page(self, client: EtsyClient, step: str, walk: str, offset: int) -> StoredPage:
        """Ends with the transaction that stores the page, which is the step's record."""
        page = await client.listings("active", offset)
        if page["count"] > MAX_LISTINGS:
            raise JobFailed(
                f"the shop has {page['count']:,} listings, as Etsy says, and that is more than "
                f"{MAX_LISTINGS:,}: check the shop's external id"
            )
        rows = []
        for one in page["results"]:
            with suppress(InputError):
                rows.append(listing_row(one))
        if flaws := {one["external_id"]: one["flaw"] for one in rows if one["flaw"]}:
            self.log.warning("listings stored without their details", flaws=flaws)
        stored: StoredPage = await self.transaction(
            step, store_page, self.shop_id, walk, rows, page
        )
        return stored


def store_page(
    session: Session, shop_id: int, walk: str, rows: list[ListingRow], page: Page
) -> StoredPage:
    """Store what can be stored of a page."""
    return StoredPage(
        ids=[one["external_id"] for one in rows],
        records=len(page["results"]),
        count=page["count"],
        counts=upsert_listings(session, shop_id, walk, rows),
    )


@hookimpl
def job_handler() -> type[SyncEtsy]:
    """The handler of ``sync_etsy``."""
    return SyncEtsy


@hookimpl
def marketplace() -> Marketplace:
    """Etsy itself."""
    return etsy()
