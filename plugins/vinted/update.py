"""update_vinted: change a listing, so that it says what the product says now."""

from functools import partial
from typing import Any

from plugins.vinted.client import VintedBrowser
from plugins.vinted.errors import is_gone
from plugins.vinted.offer import checked_offer, product_sent
from plugins.vinted.targets import target_listings
from runtime import BaseJobHandler, CallRejected, Job, JobFailed, hookimpl
from runtime.store import describe_listing, mark_listing_gone


class UpdateVinted(BaseJobHandler):
    """Changes the listings of a product; a second change with the same data changes nothing."""

    async def execute(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 - the interface
        """Check the product, and send it for each of its listings."""
        # A product that is sold out may still get another price or another text.
        product = checked_offer(self.product, in_stock=False)
        targets = await target_listings(self, must_be_on_sale=True)
        browser = VintedBrowser(self)
        # All listings are tried before the job fails, so that a listing that is gone does not keep
        # the others from their change.
        gone = [one for one in targets if not await self._update(browser, product, one)]
        if gone:
            raise JobFailed(
                f"the listing {', '.join(gone)} is gone from Vinted (sold, deleted or taken "
                "down), so it cannot be updated; it is noted as gone"
            )
        return {"success": True, "external_id": targets[0], "updated": targets}

    async def _update(
        self, browser: VintedBrowser, product: dict[str, Any], external_id: str
    ) -> bool:
        """Update one listing; return whether it is still there."""
        try:
            await self.step(
                f"update-{external_id}",
                partial(self._send, browser, product, external_id),
                repeatable=True,
            )
        except CallRejected as error:
            if not is_gone(error):
                raise
            await self.transaction(
                f"note-gone-{external_id}", mark_listing_gone, self.shop_id, external_id
            )
            return False
        await self.transaction(
            f"store-{external_id}",
            describe_listing,
            self.shop_id,
            external_id,
            {name: product[name] for name in ("title", "price", "currency")},
        )
        return True

    async def _send(
        self, browser: VintedBrowser, product: dict[str, Any], external_id: str
    ) -> None:
        # The URLs of the images are signed and expire, so that each run makes its own.
        sent = await product_sent(self, product)
        await browser.verify_account()
        await browser.update(external_id, sent)


@hookimpl
def job_handler() -> type[UpdateVinted]:
    """The handler of ``update_vinted``."""
    return UpdateVinted
