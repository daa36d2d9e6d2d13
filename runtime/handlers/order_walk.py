"""Ends a walk over the orders of a shop."""

from collections.abc import Mapping, Sequence
from typing import Any

from runtime.handlers.job_handler import BaseJobHandler
from runtime.storage.selling.order_sync import (
    OrderWindow,
    finish_order_sync,
    unread_orders_warning,
)


async def finish_orders(
    handler: BaseJobHandler,
    window: OrderWindow | None,
    pages: Sequence[Mapping[str, Any]],
    *,
    new: int,
    updated: int,
    errors: int,
) -> dict[str, Any]:
    """Note until when all orders are stored, if none was left out; returns the job's result.

    Args:
        window: the result of :func:`runtime.store.begin_order_sync`; None if the walk read other
            orders than those that changed since the last walk.
        pages: the stored pages, each with its ``sales`` and the ``jobs`` that follow from them.
        errors: the number of orders that could not be read.
    """
    # After an error the window is not finished, so that the next walk begins where this one did
    # and meets the unread orders again.
    if window is not None and not errors:
        await handler.transaction("finish", finish_order_sync, handler.shop_id, window["began"])
    return {
        "success": True,
        "new": new,
        "updated": updated,
        "errors": errors,
        "pages": len(pages),
        "sales": [sale for page in pages for sale in page["sales"]],
        "jobs": [job_id for page in pages for job_id in page["jobs"]],
        **unread_orders_warning(errors),
    }
