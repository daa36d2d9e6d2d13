"""Until when all that happened to a shop's orders is stored.

A sync of orders begins where the last one that reached its end began, so what is changed while
pages are read is read again; what a sync stores before it fails is stored once more by the next.
So is what it could not read: an order that is passed over is a sale that nobody notices.
All functions run inside the caller's transaction.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from runtime.storage.models import Shop

OVERLAP = timedelta(minutes=10)
"""Clocks differ, and an order may take a moment to show up where it is searched."""


class OrderWindow(TypedDict):
    """What a sync of orders has to read: moments as ISO text in UTC.

    ``since`` is None where no sync has reached its end yet. ``began`` is for
    :func:`finish_order_sync`.
    """

    since: str | None
    began: str


def begin_order_sync(session: Session, shop_id: int) -> OrderWindow:
    """Where a sync that starts now has to begin."""
    synced, now = session.execute(
        select(Shop.orders_synced_at, func.now()).where(Shop.id == shop_id)
    ).one()
    since = None if synced is None else (synced - OVERLAP).astimezone(UTC).isoformat()
    return OrderWindow(since=since, began=now.astimezone(UTC).isoformat())


def finish_order_sync(session: Session, shop_id: int, began: str) -> None:
    """Note that a sync which began then has reached its end; an older one changes nothing."""
    moment = datetime.fromisoformat(began)
    session.execute(
        update(Shop)
        .where(Shop.id == shop_id)
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
