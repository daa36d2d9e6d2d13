"""sync_vinted: store the items that are on sale in the seller's wardrobe."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from plugins.vinted.client import MAX_PER_PAGE, VintedBrowser
from plugins.vinted.marketplace import vinted
from plugins.vinted.page_totals import PageTotals
from plugins.vinted.pages import ListingPage, Summary
from runtime import BaseJobHandler, Job, JobFailed, Marketplace, hookimpl
from runtime.store import LookReport, upsert_listings, walk_listings

MAX_LISTINGS = 100_000


@dataclass(slots=True)
class WardrobeLook:
    """The items that one look at the wardrobe, from the first page to the last, has seen so far."""

    ids: set[str] = field(default_factory=set)
    unidentified: int = 0
    totals: PageTotals = field(default_factory=PageTotals)
    latest: tuple[object, ...] = ()

    def is_repeated_by(self, page: ListingPage) -> bool:
        """Return whether this page is the page before it once more."""
        return bool(page["rows"]) and _fingerprint(page) == self.latest

    def add(self, page: ListingPage) -> None:
        """Take the next page in."""
        self.ids.update(_ids(page))
        self.unidentified += page["unidentified"]
        self.totals.add(*_totals(page))
        self.latest = _fingerprint(page)

    def doubt(self, *, is_first: bool) -> str | None:
        """Return why the look may have missed a listing on sale, or None if it cannot have.

        Args:
            is_first: whether no look before this one has seen what this one may have missed.
        """
        if self.unidentified:
            return f"{self.unidentified} item(s) had no usable id"
        return self.totals.doubt(entries=len(self.ids), is_first=is_first)


class SyncVinted(BaseJobHandler):
    """Reads the wardrobe page by page, and stores each page as it comes.

    Only a look that reached the last page, and cannot have missed anything on its way, says
    that a listing is gone: in the former system, a walk that failed after its first page marked
    1,500 products as sold. A look that leaves a doubt is repeated if a listing is missing::

        page 1 ──► store ──► page 2 ──► store ──► … ──► last page ──┬─ no doubt ──► mark the gone
                                                                    └─ doubt ──► look again
    """

    async def execute(self, job: Job) -> dict[str, Any]:
        """Read and store all pages; then mark as gone the listings that were on none of them."""
        per_page = checked_per_page(job.input_data)
        counts = Counter(imported=0, updated=0, errors=0)
        return await walk_listings(self, partial(self._report, per_page, counts))

    async def _report(
        self, per_page: int, counts: Counter[str], walk: str, prefix: str
    ) -> LookReport:
        look = await self._look(prefix, walk, per_page, counts)
        # An older browser plugin that answers with a summary has stored nothing here, so nothing is
        # known to be gone.
        if not isinstance(look, WardrobeLook):
            return LookReport({**look, "pages": 1}, tells_gone=False)
        errors = counts["errors"] + look.unidentified
        result = {**counts, "errors": errors, "pages": look.totals.pages}
        return LookReport(result, look.doubt(is_first=not prefix))

    async def _look(
        self, prefix: str, walk: str, per_page: int, counts: Counter[str]
    ) -> WardrobeLook | Summary:
        look = WardrobeLook()
        total_pages = 1
        while look.totals.pages < total_pages:
            number = look.totals.pages + 1
            page: ListingPage | Summary = await self.step(
                f"{prefix}page-{number}", partial(self._read_page, look, number, per_page)
            )
            # An older browser plugin walks through all pages by itself, so there is no second page
            # to ask for.
            if "imported" in page:
                return page
            stored = await self.transaction(
                f"{prefix}store-page-{number}",
                upsert_listings,
                self.shop_id,
                walk,
                page["rows"],
            )
            look.add(page)
            counts.update(stored)
            if flaws := {one["external_id"]: one["flaw"] for one in page["rows"] if one["flaw"]}:
                self.log.warning("listings stored without their details", flaws=flaws)
            # The latest page decides: a wardrobe may grow or shrink while it is read.
            total_pages = page["total_pages"]
            await self.progress(number, max(number, total_pages), f"{len(look.ids)} listings")
        return look

    async def _read_page(
        self, look: WardrobeLook, number: int, per_page: int
    ) -> ListingPage | Summary:
        """Ask for one page; a page that leads nowhere fails here, before the journal records it."""
        page = await VintedBrowser(self).sync(number, per_page)
        if "imported" in page:
            return page
        # The check stands within the step. A page that is recorded comes back from the journal in
        # every run, so the job could never get past it.
        if look.is_repeated_by(page):
            raise JobFailed(
                f"page {number} of the wardrobe is page {number - 1} once more, so its end cannot "
                "be found: update the browser plugin, which seems to ignore `page`"
            )
        if page["total_pages"] * per_page > MAX_LISTINGS:
            raise JobFailed(
                f"the wardrobe has {page['total_pages']:,} pages, as page {number} says, and that "
                f"is more than {MAX_LISTINGS:,} listings: check the shop's external id, and "
                "update the browser plugin"
            )
        return page


def checked_per_page(input_data: dict[str, Any]) -> int:
    """Return the number of listings for one page, from a job's ``input_data``.

    Raises:
        JobFailed: Vinted does not accept such a number.
    """
    per_page = input_data.get("per_page", MAX_PER_PAGE)
    if isinstance(per_page, bool) or not isinstance(per_page, int):
        raise JobFailed(f"per_page must be a number from 1 to {MAX_PER_PAGE}, not {per_page!r}")
    if not 1 <= per_page <= MAX_PER_PAGE:
        raise JobFailed(f"per_page must be from 1 to {MAX_PER_PAGE}, not {per_page}")
    return per_page


def _ids(page: ListingPage) -> tuple[str, ...]:
    return tuple(one["external_id"] for one in page["rows"])


def _totals(page: ListingPage) -> tuple[int, int | None]:
    return page["total_pages"], page["total_entries"]


def _fingerprint(page: ListingPage) -> tuple[object, ...]:
    return _totals(page), _ids(page)


@hookimpl
def job_handler() -> type[SyncVinted]:
    """The handler of ``sync_vinted``."""
    return SyncVinted


@hookimpl
def marketplace() -> Marketplace:
    """The record of Vinted."""
    return vinted()
