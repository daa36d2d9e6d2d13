"""Takes listings off sale."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from runtime.handlers.job_handler import BaseJobHandler
from runtime.storage.selling.listing_changes import mark_listing_gone

T = TypeVar("T")


async def remove_listings(
    handler: BaseJobHandler, listings: Sequence[str], remove: Callable[[str], Awaitable[T]]
) -> dict[str, T]:
    """Remove one listing after the other, and note each as gone; returns the result of each.

    Args:
        remove: removes the listing with an external id and returns a JSON value; a second call
            for the same listing must change nothing.
    """
    became: dict[str, T] = {}
    for listing in listings:
        # Removing twice changes nothing, so a step whose outcome is unknown is simply done again.
        became[listing] = await handler.step(
            f"delete-{listing}", partial(remove, listing), repeatable=True
        )
        await handler.transaction(
            f"note-gone-{listing}", mark_listing_gone, handler.shop_id, listing
        )
    return became
