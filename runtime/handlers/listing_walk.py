"""A walk over all that is on sale in a shop; at its end, what no look has met is marked as gone."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from runtime.handlers.base import BaseJobHandler
from runtime.storage.selling.listing_rows import (
    begin_walk,
    count_unseen_listings,
    mark_unseen_gone,
)

MOST_LOOKS = 3


@dataclass(frozen=True, slots=True)
class LookReport:
    """What one look, from the first page to the last, came to.

    Attributes:
        result: what the job's result says of it.
        doubt: why it may have missed a listing that is on sale; None where it cannot have.
        tells_gone: False where nothing was stored here, so that no listing can be called gone.
    """

    result: dict[str, Any]
    doubt: str | None = None
    tells_gone: bool = True


TakeLook = Callable[[str, str], Awaitable[LookReport]]
"""Takes the walk, for :func:`runtime.store.upsert_listings`, and what its steps' names begin with.

The beginning is empty for the first look, and another one for each look after it."""


async def walk_listings(
    handler: BaseJobHandler, take_look: TakeLook, most_looks: int = MOST_LOOKS
) -> dict[str, Any]:
    """Look at all that is on sale, and mark as gone what was not met; returns the job's result.

    A look that leaves a doubt says of no listing that it is gone. Where it has not met one that
    was thought to be on sale, another look is taken, and after the last look a warning is left.
    """
    walk = await handler.transaction("begin-walk", begin_walk, handler.shop_id)
    result: dict[str, Any] = {}
    for number in range(1, most_looks + 1):
        prefix = "" if number == 1 else f"look-{number}-"
        look = await take_look(walk, prefix)
        result = {"success": True, "gone": 0, **look.result}
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
        if not unseen:
            return result
        handler.log.warning("a look leaves a doubt", doubt=look.doubt, unseen=unseen)
        result["warning"] = (
            f"{unseen} listing(s) were not seen, but {look.doubt}: none was marked as gone; "
            "sync again later"
        )
    return result
