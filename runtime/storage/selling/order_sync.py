"""Notes until when all changes of a shop's orders are stored.

A sync of orders begins at the moment at which the last complete sync began. So orders that change
while pages are read, orders of a sync that failed, and orders that could not be read are all read
again: an order that is missed is a sale that nobody notices. A stored order does not show that all
orders before it are stored, because each page is stored as it comes.
All functions run inside the caller's transaction.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from runtime.storage.models import Shop

OVERLAP = timedelta(minutes=10)
"""Syncs overlap by this time: clocks differ, and a search may show an order a moment late."""


class OrderWindow(TypedDict):
    """The period that a sync of orders has to read, as ISO texts in UTC.

    ``since`` is None if no sync was complete yet. ``began`` is for :func:`finish_order_sync`.
    """

    since: str | None
    began: str


def begin_order_sync(session: Session, shop_id: int) -> OrderWindow:
    """Return the period for a sync that starts now."""
    synced, now = session.execute(
        select(Shop.orders_synced_at, func.now()).where(Shop.id == shop_id)
    ).one()
    since = None if synced is None else (synced - OVERLAP).astimezone(UTC).isoformat()
    return OrderWindow(since=since, began=now.astimezone(UTC).isoformat())


def finish_order_sync(session: Session, shop_id: int, began: str) -> None:
    """Note that a sync which began then is complete; an older sync changes nothing."""
    moment = datetime.fromisoformat(began)
    session.execute(
        update(Shop)
        .where(Shop.id == shop_id)
        # Two syncs of a shop may end in another order than they began.
        .values(orders_synced_at=func.greatest(Shop.orders_synced_at, moment))
        .execution_options(synchronize_session=False)
    )


def unread_orders_warning(errors: int) -> dict[str, Any]:
    """Return the part of a sync's result that tells of orders that could not be read."""
    if not errors:
        return {}
    return {
        "warning": f"{errors} order(s) could not be read and lowered no quantity (the log says "
        "why): the next sync begins where this one did"
    }
