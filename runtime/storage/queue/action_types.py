"""Queries on the actions of each marketplace."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from runtime.storage.models import MarketplaceActionType


def find_action_type(session: Session, marketplace: str, code: str) -> MarketplaceActionType | None:
    """Return the action type of a pair."""
    return session.scalars(
        select(MarketplaceActionType).where(
            MarketplaceActionType.marketplace == marketplace, MarketplaceActionType.code == code
        )
    ).one_or_none()


def action_type_by_id(session: Session, action_type_id: int) -> MarketplaceActionType | None:
    """Return the action type of an id."""
    return session.get(MarketplaceActionType, action_type_id)


def action_codes(session: Session, marketplace: str) -> Sequence[str]:
    """Return the codes of the actions of a marketplace."""
    return session.scalars(
        select(MarketplaceActionType.code)
        .where(MarketplaceActionType.marketplace == marketplace)
        .order_by(MarketplaceActionType.code)
    ).all()


def known_marketplaces(session: Session) -> Sequence[str]:
    """Return the marketplaces on which something can be done."""
    return session.scalars(
        select(MarketplaceActionType.marketplace)
        .distinct()
        .order_by(MarketplaceActionType.marketplace)
    ).all()


def known_pairs(session: Session) -> list[tuple[str, str]]:
    """Return every marketplace with the code of each of its actions."""
    rows = session.execute(select(MarketplaceActionType.marketplace, MarketplaceActionType.code))
    return [(row.marketplace, row.code) for row in rows]


def change_rate_limits(session: Session, pace: timedelta) -> None:
    """Set the least time between two calls of one shop, for all actions of all marketplaces."""
    milliseconds = pace // timedelta(milliseconds=1)
    session.execute(update(MarketplaceActionType).values(rate_limit_ms=milliseconds))
