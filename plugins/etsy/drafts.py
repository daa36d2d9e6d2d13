"""Drafts of the runtime's own making, and whether one was made.

Etsy's form for a draft has no field for a SKU, and two products of one seller can be alike in
everything else, as can drafts that the seller makes by hand. So the first line of a draft's
description names the job that made it, in a way that is the same in no other database, and the
SKU. The activation replaces that line. A draft with this line was made by that job; any other
draft was not.
"""

from typing import Any, TypedDict

from plugins.etsy.client import EtsyClient
from plugins.etsy.offer import Offer
from plugins.etsy.shapes import identifier
from plugins.etsy.walk import OffsetLook
from runtime import CannotTell, Job

MAX_LOOKS = 3


class Draft(TypedDict):
    """The record of a draft that was made."""

    listing_id: int


def reference(job: Job) -> str:
    """Return the name of a job that no other job ever has."""
    # The id alone would not do: ids begin anew in a new database, times do not.
    return f"job-{job.id}-{int(job.created_at.timestamp())}"


def marked(offer: Offer, job: Job) -> str:
    """Return the description of a draft, which buyers do not see yet."""
    return f"[{reference(job)} {offer.sku}]\n\n{offer.description}"


def is_marked(listing: dict[str, Any], job: Job) -> bool:
    """Return whether a listing is the job's, and still says so."""
    description = listing.get("description")
    return isinstance(description, str) and description.startswith(f"[{reference(job)} ")


async def find_draft(etsy: EtsyClient, job: Job) -> Draft | None:
    """Look at all drafts for the one that the job made; None if it made none.

    Raises:
        CannotTell: the drafts changed whenever they were looked at.
    """
    # Only a look that cannot have missed a draft may say that there is none: a second draft would
    # become a second listing, which is paid for. Where the drafts change at each look, a person
    # is asked.
    doubt = None
    for _ in range(MAX_LOOKS):
        look = OffsetLook()
        while not look.is_over:
            page = await etsy.listings("draft", look.offset)
            for draft in page["results"]:
                if is_marked(draft, job):
                    return Draft(listing_id=identifier(draft, "listing_id"))
            ids = [str(one.get("listing_id")) for one in page["results"]]
            look.add(page["count"], ids, len(ids))
        doubt = look.doubt()
        if doubt is None:
            return None
    raise CannotTell(f"it is not among the drafts as they could be read, but {doubt}")
