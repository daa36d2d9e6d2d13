"""delete_vinted: take a product off sale."""

from functools import partial
from typing import Any

from plugins.vinted.client import VintedBrowser
from plugins.vinted.errors import Trouble, trouble_of
from plugins.vinted.targets import target_listings
from runtime import BaseJobHandler, CallRejected, Job, hookimpl
from runtime.store import mark_listing_gone


class DeleteVinted(BaseJobHandler):
    """Deletes the listings of a product; one that is gone already is as good as deleted."""

    async def execute(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 - the interface
        """Delete each of them."""
        targets = await target_listings(self)
        browser = VintedBrowser(self)
        deleted = []
        for external_id in targets:
            if await self.step(
                f"delete-{external_id}",
                partial(self._delete, browser, external_id),
                repeatable=True,
            ):
                deleted.append(external_id)
            await self.transaction(
                f"note-gone-{external_id}", mark_listing_gone, self.shop_id, external_id
            )
        return {
            "success": True,
            "external_id": targets[0] if targets else None,
            "deleted": deleted,
            "already_gone": [one for one in targets if one not in deleted],
        }

    async def _delete(self, browser: VintedBrowser, external_id: str) -> bool:
        """Whether it was still there."""
        await browser.verify_account()
        try:
            await browser.delete(external_id)
        except CallRejected as error:
            if trouble_of(error) is not Trouble.GONE:
                raise
            return False
        return True


@hookimpl
def job_handler() -> type[DeleteVinted]:
    """The handler of ``delete_vinted``."""
    return DeleteVinted
