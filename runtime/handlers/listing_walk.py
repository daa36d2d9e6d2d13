"""Walks over all listings of a shop, and marks those that it did not meet as gone."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from runtime.handlers.job_handler import BaseJobHandler
from runtime.storage.selling.listing_rows import (
    begin_walk,
    count_unseen_listings,
    mark_unseen_gone,
)

MOST_LOOKS = 3


@dataclass(frozen=True, slots=True)
class LookReport:
    """The result of one look at all pages, from the first to the last.

    Attributes:
        result: the part of the job's result that the look gives.
        doubt: why the look may have missed a listing that is on sale; None if it cannot have.
        tells_gone: False if the look stored nothing, so that no listing can be called gone.
    """

    result: dict[str, Any]
    doubt: str | None = None
    tells_gone: bool = True


TakeLook = Callable[[str, str], Awaitable[LookReport]]
"""Looks at all pages; takes the walk's id for :func:`runtime.store.upsert_listings`, and a prefix.

The names of the look's steps begin with the prefix, which is empty for the first look and differs
for each later look."""


async def walk_listings(
    handler: BaseJobHandler, take_look: TakeLook, most_looks: int = MOST_LOOKS
) -> dict[str, Any]:
    """Look at all listings, and mark those that were not met as gone; returns the job's result.

    A look that leaves a doubt marks no listing as gone. If it did not meet a listing that was
    thought to be on sale, another look follows; after the last look the result has a warning.
    """
    walk = await handler.transaction("begin-walk", begin_walk, handler.shop_id)
    result: dict[str, Any] = {}
    for number in range(1, most_looks + 1):
        # Steps are known by their names: under the names of the first look, a second one would get
        # the recorded pages of the first.
        prefix = "" if number == 1 else f"look-{number}-"
        look = await take_look(walk, prefix)
        result = {"success": True, "gone": 0, **look.result}
        # An older browser plugin tells only how many items there are, and never which.
        if not look.tells_gone:
            return result
        if look.doubt is None:
            result["gone"] = await handler.transaction(
                "mark-gone", mark_unseen_gone, handler.shop_id, walk
            )
            return result
        unseen = await handler.transaction(
            f"{prefix}count-unseen", count_unseen_listings, handler.shop_id, walk
        )
        # Everything known was seen, so the doubt is without consequence.
        if not unseen:
            return result
        handler.log.warning("a look leaves a doubt", doubt=look.doubt, unseen=unseen)
        result["warning"] = (
            f"{unseen} listing(s) were not seen, but {look.doubt}: none was marked as gone; "
            "sync again later"
        )
    return result
