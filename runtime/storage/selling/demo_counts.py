"""Counts the rows of the demo's own database in the end."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from runtime.storage.models import Listing, Order


def live_listings(session: Session, shop_ids: Sequence[int]) -> int:
    """Return how many listings of these shops are on sale."""
    query = select(func.count()).where(Listing.shop_id.in_(shop_ids), Listing.status == "live")
    return session.scalar(query) or 0


def orders(session: Session) -> int:
    """Return how many orders there are."""
    return session.scalar(select(func.count()).select_from(Order)) or 0
