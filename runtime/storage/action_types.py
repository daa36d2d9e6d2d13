"""What can be done on which marketplace."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from runtime.storage.models import MarketplaceActionType


def find_action_type(session: Session, marketplace: str, code: str) -> MarketplaceActionType | None:
    """The action type of a pair."""
    return session.scalars(
        select(MarketplaceActionType).where(
            MarketplaceActionType.marketplace == marketplace, MarketplaceActionType.code == code
        )
    ).one_or_none()


def action_type_by_id(session: Session, action_type_id: int) -> MarketplaceActionType | None:
    """The action type of an id."""
    return session.get(MarketplaceActionType, action_type_id)


def action_codes(session: Session, marketplace: str) -> Sequence[str]:
    """What can be done on a marketplace."""
    return session.scalars(
        select(MarketplaceActionType.code)
        .where(MarketplaceActionType.marketplace == marketplace)
        .order_by(MarketplaceActionType.code)
    ).all()


def known_marketplaces(session: Session) -> Sequence[str]:
    """The marketplaces on which something can be done."""
    return session.scalars(
        select(MarketplaceActionType.marketplace)
        .distinct()
        .order_by(MarketplaceActionType.marketplace)
    ).all()


def known_pairs(session: Session) -> list[tuple[str, str]]:
    """Every marketplace with the code of each of its actions."""
    rows = session.execute(select(MarketplaceActionType.marketplace, MarketplaceActionType.code))
    return [(row.marketplace, row.code) for row in rows]
