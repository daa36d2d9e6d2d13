"""delete_vinted: take a product off sale."""

from functools import partial
from typing import Any

from plugins.vinted.client import VintedBrowser
from plugins.vinted.errors import is_gone
from plugins.vinted.targets import target_listings
from runtime import BaseJobHandler, Job, RejectionSuppressed, hookimpl
from runtime.store import remove_listings


class DeleteVinted(BaseJobHandler):
    """Deletes the listings of a product; a listing that is gone already counts as deleted."""

    async def execute(self, job: Job) -> dict[str, Any]:  # noqa: ARG002 - the interface
        """Delete each of the listings."""
        targets = await target_listings(self)
        browser = VintedBrowser(self)
        were_there = await remove_listings(self, targets, partial(self._delete, browser))
        return {
            "success": True,
            "external_id": targets[0] if targets else None,
            "deleted": [one for one in targets if were_there[one]],
            "already_gone": [one for one in targets if not were_there[one]],
        }

    async def _delete(self, browser: VintedBrowser, external_id: str) -> bool:
        """Delete one listing; return whether it was still there."""
        await browser.verify_account()
        # After a lost answer the command is sent again, and Vinted then says that the item is not
        # there. That is what the job wants.
        with RejectionSuppressed(is_gone):
            await browser.delete(external_id)
            return True
        return False


@hookimpl
def job_handler() -> type[DeleteVinted]:
    """The handler of ``delete_vinted``."""
    return DeleteVinted
