"""Stores the encrypted credentials of shops, which one process at a time changes."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from runtime.storage.models import ShopCredentials
from runtime.storage.server.locks import bounded_lock_waits


def load_secret(session: Session, shop_id: int) -> str | None:
    """Return the shop's secret, or None if it was never connected."""
    query = select(ShopCredentials.secret).where(ShopCredentials.shop_id == shop_id)
    return session.scalar(query)


def load_secret_to_change(session: Session, shop_id: int) -> str | None:
    """Return the shop's secret, and lock it until this transaction ends.

    Raises:
        DatabaseUnavailable: another process holds the lock for long.
    """
    query = select(ShopCredentials.secret).where(ShopCredentials.shop_id == shop_id)
    # The holder may be asking a marketplace for new tokens, which takes up to 20 s.
    with bounded_lock_waits(session, f"the tokens of shop {shop_id}"):
        return session.scalar(query.with_for_update())


def store_secret(
    session: Session,
    shop_id: int,
    secret: str,
    access_expires_at: datetime,
    refresh_expires_at: datetime | None,
) -> None:
    """Store the secret in place of the former one."""
    values = {
        "secret": secret,
        "access_expires_at": access_expires_at,
        "refresh_expires_at": refresh_expires_at,
        "updated_at": func.clock_timestamp(),
    }
    statement = insert(ShopCredentials).values(shop_id=shop_id, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["shop_id"], set_=values))


def forget_secret(session: Session, shop_id: int) -> None:
    """Remove the shop's secret."""
    secret = session.get(ShopCredentials, shop_id)
    if secret is not None:
        session.delete(secret)


def secrets_after(session: Session, shop_id: int, limit: int) -> Sequence[tuple[int, str]]:
    """Lock and return the next secrets, in the order of their shops."""
    rows = session.execute(
        select(ShopCredentials.shop_id, ShopCredentials.secret)
        .where(ShopCredentials.shop_id > shop_id)
        # Each portion begins after the last shop of the one before: new shops shift no portion.
        .order_by(ShopCredentials.shop_id)
        .limit(limit)
        .with_for_update()
    )
    return [(found, secret) for found, secret in rows]


def replace_secret(session: Session, shop_id: int, secret: str) -> None:
    """Store the same credentials, encrypted anew."""
    session.execute(
        update(ShopCredentials).where(ShopCredentials.shop_id == shop_id).values(secret=secret)
    )


def count_secrets(session: Session) -> int:
    """Return how many shops are connected."""
    return session.scalar(select(func.count()).select_from(ShopCredentials)) or 0


def expiries(
    session: Session, shop_ids: Sequence[int]
) -> dict[int, tuple[datetime, datetime | None]]:
    """Return when the access and the refresh token of each connected shop end."""
    rows = session.execute(
        select(
            ShopCredentials.shop_id,
            ShopCredentials.access_expires_at,
            ShopCredentials.refresh_expires_at,
        ).where(ShopCredentials.shop_id.in_(shop_ids))
    )
    return {shop_id: (access, refresh) for shop_id, access, refresh in rows}
