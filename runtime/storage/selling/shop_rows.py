"""Stores shops, which are the accounts of sellers."""

from collections.abc import Sequence

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from runtime.storage.models import SCHEMA, MarketplaceJob, Shop
from runtime.storage.server.locks import bounded_lock_waits
from runtime.values.arguments import LARGEST_ID

_OF_SHOPS = ("marketplace_jobs", "job_schedules", "listings", "orders", "conversations")
_DROP_UNUSED = text(
    f"DELETE FROM {SCHEMA}.shops AS shop WHERE starts_with(external_id, :prefix)"
    + "".join(
        f" AND NOT EXISTS (SELECT FROM {SCHEMA}.{table} WHERE shop_id = shop.id)"
        for table in _OF_SHOPS
    )
)


def insert_shop(
    session: Session, marketplace: str, user_id: int, external_id: str, name: str | None
) -> Shop:
    """Add the account, or return the existing row, whoever owns it."""
    statement = (
        insert(Shop)
        .values(marketplace=marketplace, user_id=user_id, external_id=external_id, name=name)
        .on_conflict_do_nothing(index_elements=["marketplace", "external_id"])
        .returning(Shop)
    )
    same = select(Shop).where(Shop.marketplace == marketplace, Shop.external_id == external_id)
    with bounded_lock_waits(session, f"the {marketplace} shop {external_id!r}"):
        # An insert that meets a row, and a look that finds none: the row was removed in between.
        while True:
            shop = session.scalars(statement).one_or_none() or session.scalars(same).one_or_none()
            if shop is not None:
                return shop


def shop_by_id(session: Session, shop_id: int) -> Shop | None:
    """Return the shop of an id."""
    return session.get(Shop, shop_id) if 0 < shop_id <= LARGEST_ID else None


def shop_by_external_id(session: Session, marketplace: str, external_id: str) -> Shop | None:
    """Return the shop that the marketplace knows by that id."""
    query = select(Shop).where(Shop.marketplace == marketplace, Shop.external_id == external_id)
    return session.scalars(query).one_or_none()


def move_jobs(session: Session, source: int, target: int) -> None:
    """Move all jobs of one shop to another shop."""
    session.execute(
        update(MarketplaceJob).where(MarketplaceJob.shop_id == source).values(shop_id=target)
    )


def drop_unused(session: Session, prefix: str) -> None:
    """Remove the shops whose external id has this prefix and to which nothing belongs."""
    session.execute(_DROP_UNUSED, {"prefix": prefix})


def list_shops(
    session: Session,
    *,
    marketplace: str | None = None,
    user_id: int | None = None,
    limit: int | None = None,
) -> Sequence[Shop]:
    """Return the shops in the order in which they were added."""
    query = select(Shop).order_by(Shop.id).limit(limit)
    if marketplace is not None:
        query = query.where(Shop.marketplace == marketplace)
    if user_id is not None:
        query = query.where(Shop.user_id == user_id)
    return session.scalars(query).all()
