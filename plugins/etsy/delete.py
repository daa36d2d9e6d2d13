"""delete_etsy: take a product off sale."""

from functools import partial
from typing import Any

from plugins.etsy.client import EtsyClient
from plugins.etsy.targets import target_listings
from plugins.etsy.update import deactivate
from runtime import BaseJobHandler, Job, JobFailed, hookimpl
from runtime.store import remove_listings

DELETED = "deleted"
ALREADY_GONE = "gone"


class DeleteEtsy(BaseJobHandler):
    """Deletes the listings of a product; a listing that is gone already counts as deleted.

    If ``input_data.deactivate`` says so, or otherwise the shop's setting ``on_delete``, listings
    are switched off instead: to sell them again costs nothing.
    """

    async def execute(self, job: Job) -> dict[str, Any]:
        """Delete or switch off each of the listings."""
        default = self.shop.settings.get("on_delete") == "deactivate"
        deactivates = job.input_data.get("deactivate", default)
        # A text such as "false" would count as true, and the wrong one of the two would happen.
        if not isinstance(deactivates, bool):
            raise JobFailed(f"input_data.deactivate must be true or false, not {deactivates!r}")
        targets = await target_listings(self)
        etsy = EtsyClient(self)
        remove = deactivate if deactivates else _delete
        became = await remove_listings(self, targets, partial(remove, etsy))
        gone = [one for one, state in became.items() if state == ALREADY_GONE]
        return {
            "success": True,
            "external_id": targets[0] if targets else None,
            "deactivated" if deactivates else "deleted": [one for one in became if one not in gone],
            "already_gone": gone,
        }


async def _delete(etsy: EtsyClient, listing_id: str) -> str:
    return DELETED if await etsy.delete(listing_id) else ALREADY_GONE


@hookimpl
def job_handler() -> type[DeleteEtsy]:
    """The handler of ``delete_etsy``."""
    return DeleteEtsy
