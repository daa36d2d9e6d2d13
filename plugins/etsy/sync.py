"""sync_etsy: store the listings that are on sale in the shop."""

from collections import Counter
from functools import partial
from typing import Any, TypedDict

from sqlalchemy.orm import Session

from plugins.etsy.client import EtsyClient
from plugins.etsy.marketplace import etsy
from plugins.etsy.shapes import CountedPage
from plugins.etsy.stored_rows import listing_row
from plugins.etsy.walk import OffsetLook
from runtime import BaseJobHandler, Job, JobFailed, Marketplace, hookimpl
from runtime.store import (
    ListingCounts,
    ListingRow,
    LookReport,
    readable,
    upsert_listings,
    walk_listings,
)

MAX_LISTINGS = 100_000


class StoredListingPage(TypedDict):
    """The record of a page: the stored ids, its records, and the number of records on all pages."""

    ids: list[str]
    records: int
    count: int
    counts: ListingCounts


class SyncEtsy(BaseJobHandler):
    """Reads the active listings page by page, and stores each page as it comes.

    Only a look that reached the last page and cannot have missed anything on its way marks a
    listing as gone. A look that leaves a doubt is taken again if a known listing was not seen.
    """

    async def execute(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 - the interface
        """Read and store all pages; then mark as gone what was on none of them."""
        counts = Counter(imported=0, updated=0, errors=0)
        return await walk_listings(self, partial(self._report, EtsyClient(self), counts))

    async def _report(
        self, client: EtsyClient, counts: Counter[str], walk: str, prefix: str
    ) -> LookReport:
        look = await self._look(client, prefix, walk, counts)
        return LookReport({**counts, "pages": look.pages}, look.doubt())

    async def _look(
        self, client: EtsyClient, prefix: str, walk: str, counts: Counter[str]
    ) -> OffsetLook:
        look = OffsetLook()
        while not look.is_over:
            number = look.pages + 1
            step = f"{prefix}page-{number}"
            page: StoredListingPage = await self.step(
                step, partial(self._read_page, client, step, walk, look.offset)
            )
            counts.update(page["counts"])
            # Records that could not be read have no id, but they moved the offset: they are counted
            # instead of being passed over in silence.
            counts["errors"] += page["records"] - len(page["ids"])
            look.add(page["count"], page["ids"], page["records"])
            await self.progress(len(look.ids), max(page["count"], len(look.ids)), "listings")
        return look

    async def _read_page(
        self, client: EtsyClient, step: str, walk: str, offset: int
    ) -> StoredListingPage:
        """Read and store a page; the transaction that stores it is also the record of the step."""
        page = await client.listings("active", offset)
        # The journal keeps the ids of every page, and a run loads them all; no shop of a seller is
        # so large.
        if page["count"] > MAX_LISTINGS:
            raise JobFailed(
                f"the shop has {page['count']:,} listings, as Etsy says, and that is more than "
                f"{MAX_LISTINGS:,}: check the shop's external id"
            )
        rows, _ = readable(page["results"], listing_row)
        if flaws := {one["external_id"]: one["flaw"] for one in rows if one["flaw"]}:
            self.log.warning("listings stored without their details", flaws=flaws)
        # Under the step's own name, the page and its record are committed together: a crash can
        # neither lose a page nor have it read again.
        stored: StoredListingPage = await self.transaction(
            step, store_page, self.shop_id, walk, rows, page
        )
        return stored


def store_page(
    session: Session, shop_id: int, walk: str, rows: list[ListingRow], page: CountedPage
) -> StoredListingPage:
    """Store what can be stored of a page."""
    return StoredListingPage(
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
