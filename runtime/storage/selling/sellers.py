"""Finds the sellers: the users who have a shop or a product."""

from collections.abc import Sequence

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from runtime.storage.models import Product, Shop


def list_sellers(session: Session, *, limit: int) -> Sequence[int]:
    """Return the ids of the sellers, in order."""
    sellers = union(select(Shop.user_id), select(Product.user_id)).subquery()
    return session.scalars(select(sellers.c.user_id).order_by(sellers.c.user_id).limit(limit)).all()
