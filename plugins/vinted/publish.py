"""publish_vinted: put one product on sale."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from plugins.vinted.client import VintedBrowser
from plugins.vinted.lookup import find_published, is_certain
from plugins.vinted.offer import checked_offer, product_sent
from runtime import BaseJobHandler, CannotTell, Job, hookimpl
from runtime.store import ListingRow, ListingTaken, adopt_listing

STEP = "publish"


class PublishVinted(BaseJobHandler):
    """Publishes once.

    The step ends with the transaction that stores the listing as this product's, under the name of
    the step itself. There is thus no moment at which an item is known to be on sale and another job
    could take it for its own::

        look-before ──► publish ──┬─ item ──────────────────────► stored with the step
                                  ├─ refused ───────────────────► the job fails or waits
                                  └─ unknown ──► find_published ─┬─ item ──► stored with the step
                                                                 ├─ nothing ──► publish again
                                                                 └─ doubt ──► a person decides

    Attributes:
        settles_within: the time after which no browser is busy with a command any more; the upload
            of twenty photos takes minutes.
    """

    settles_within = timedelta(minutes=3)

    async def execute(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 - the interface
        """Check the product, record the newest items, and publish."""
        product = checked_offer(self.product, in_stock=True)
        browser = VintedBrowser(self)
        # The look is a recorded step: after a lost answer a new look would count the item that was
        # just published among the items from before, and a second one would be made.
        before = await self.step("look-before", browser.newest)
        listing = await self.step(
            STEP,
            partial(self._publish, browser, product),
            reconcile=partial(self._find, browser, product, before),
        )
        return {"success": True, "external_id": listing["external_id"], "url": listing["url"]}

    async def _publish(self, browser: VintedBrowser, product: dict[str, Any]) -> Any:
        # The URLs of the images are signed and expire, so they are made when the command is about
        # to leave and not when the job begins.
        sent = await product_sent(self, product)
        await browser.verify_account()
        listing = await browser.publish(sent, self.settles_within)
        return await self._store(product, [listing])

    async def _find(
        self, browser: VintedBrowser, product: dict[str, Any], before: Sequence[str] | None
    ) -> Any:
        found = await find_published(browser, product, before)
        if found and not is_certain(browser, found) and await self.settled(STEP):
            # The item may be another job's that looks the same, while the command of this job is
            # still on its way. Once that cannot arrive any more, a second look is final.
            found = await find_published(browser, product, before)
        try:
            return await self._store(product, found) if found else None
        except ListingTaken as taken:
            # An item that only looks alike and sells another product is that product's, so this job
            # has published nothing. With this job's reference, somebody has linked it away, and to
            # publish again would put the product on sale twice.
            if is_certain(browser, found):
                raise CannotTell(f"the item on sale is this job's, and {taken}") from taken
            return None

    async def _store(self, product: dict[str, Any], candidates: list[ListingRow]) -> Any:
        arguments = self.shop_id, self.job.product_id, product["sku"], candidates
        return await self.transaction(STEP, adopt_listing, *arguments)


@hookimpl
def job_handler() -> type[PublishVinted]:
    """The handler of ``publish_vinted``."""
    return PublishVinted
