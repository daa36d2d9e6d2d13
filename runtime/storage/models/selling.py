"""The tables of products, listings, orders and conversations."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from runtime.storage.models.declarative_base import SCHEMA, Base


class Listing(Base):
    """A listing that is, or was, on sale in a shop."""

    __tablename__ = "listings"
    __table_args__ = (
        UniqueConstraint("shop_id", "external_id"),
        CheckConstraint("status IN ('live', 'gone')", name="status"),
        Index(
            "ix_listings_product",
            "shop_id",
            "product_key",
            postgresql_where=text("product_key IS NOT NULL"),
        ),
        {"schema": SCHEMA},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey(f"{SCHEMA}.shops.id"))
    external_id: Mapped[str]
    product_id: Mapped[int | None] = mapped_column(
        # A listing is on sale whether or not its product's row is still there.
        ForeignKey(f"{SCHEMA}.products.id", ondelete="SET NULL")
    )
    product_key: Mapped[str | None]
    status: Mapped[str] = mapped_column(String(20), server_default="live")
    title: Mapped[str | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    currency: Mapped[str | None] = mapped_column(String(3))
    url: Mapped[str | None]
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    gone_at: Mapped[datetime | None]


class Product(Base):
    """A product that a seller sells on any marketplace.

    ``data`` holds all fields as :mod:`runtime.products.product` describes them; a few columns
    repeat those that are searched and counted. ``stated_quantity`` is the last imported quantity:
    the same quantity again does not bring back pieces that were sold since.
    """

    __tablename__ = "products"
    __table_args__ = (
        UniqueConstraint("user_id", "sku"),
        CheckConstraint("quantity >= 0", name="quantity"),
        CheckConstraint(
            # The columns repeat parts of the JSON, and the database keeps them from drifting apart.
            "data ->> 'sku' = sku AND (data ->> 'quantity')::int = quantity",
            name="data",
        ),
        {"schema": SCHEMA},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger)
    sku: Mapped[str]
    title: Mapped[str]
    quantity: Mapped[int] = mapped_column(Integer, server_default="1")
    stated_quantity: Mapped[int | None] = mapped_column(Integer)
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Order(Base):
    """An order of a buyer."""

    __tablename__ = "orders"
    __table_args__ = (UniqueConstraint("shop_id", "external_id"), {"schema": SCHEMA})

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey(f"{SCHEMA}.shops.id"))
    external_id: Mapped[str]
    status: Mapped[str | None]
    buyer: Mapped[str | None]
    total: Mapped[Decimal | None] = mapped_column(Numeric(12, 2))
    currency: Mapped[str | None] = mapped_column(String(3))
    ordered_at: Mapped[datetime | None]
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OrderLine(Base):
    """One line of an order.

    Once ``product_id`` is set, the product's quantity has been lowered for this line.
    """

    __tablename__ = "order_lines"
    __table_args__ = (UniqueConstraint("order_id", "external_id"), {"schema": SCHEMA})

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey(f"{SCHEMA}.orders.id", ondelete="CASCADE"))
    external_id: Mapped[str]
    listing_external_id: Mapped[str | None]
    sku: Mapped[str | None]
    title: Mapped[str | None]
    quantity: Mapped[int] = mapped_column(Integer, server_default="1")
    product_id: Mapped[int | None] = mapped_column(BigInteger)


class Conversation(Base):
    """A conversation between a buyer and a seller."""

    __tablename__ = "conversations"
    __table_args__ = (UniqueConstraint("shop_id", "external_id"), {"schema": SCHEMA})

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey(f"{SCHEMA}.shops.id"))
    external_id: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    first_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
