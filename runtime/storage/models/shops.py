"""The tables of shops and their credentials."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Identity,
    Index,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from runtime.storage.models.declarative_base import SCHEMA, Base


class Shop(Base):
    """The account of a seller on a marketplace.

    All changes of its orders until ``orders_synced_at`` are stored.
    """

    __tablename__ = "shops"
    __table_args__ = (
        # One account is one shop: two rows would let two lanes call in the name of one account.
        UniqueConstraint("marketplace", "external_id"),
        Index(None, "user_id"),
        {"schema": SCHEMA},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    marketplace: Mapped[str] = mapped_column(String(50))
    user_id: Mapped[int] = mapped_column(BigInteger)
    external_id: Mapped[str]
    name: Mapped[str | None]
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    orders_synced_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ShopCredentials(Base):
    """The encrypted credentials with which the runtime acts for a shop."""

    __tablename__ = "shop_credentials"
    __table_args__ = ({"schema": SCHEMA},)

    shop_id: Mapped[int] = mapped_column(
        ForeignKey(f"{SCHEMA}.shops.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    secret: Mapped[str]
    # The times stand beside the secret, so that a list of shops needs no key.
    access_expires_at: Mapped[datetime]
    refresh_expires_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
