"""The table of action types, which is shared with the application."""

from datetime import datetime

from sqlalchemy import (
    Boolean,
    Integer,
    String,
    UniqueConstraint,
    false,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from runtime.storage.models.declarative_base import Base


class MarketplaceActionType(Base):
    """An action of a marketplace, with its default priority, attempts and least pace."""

    __tablename__ = "marketplace_action_types"
    __table_args__ = (
        # The application's own software reads this table, so names and types are those of before.
        UniqueConstraint("marketplace", "code"),
        {"schema": "public"},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    marketplace: Mapped[str] = mapped_column(String(50))
    code: Mapped[str] = mapped_column(String(50))
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str | None]
    priority: Mapped[int] = mapped_column(Integer, server_default="3")
    is_batch: Mapped[bool] = mapped_column(Boolean, server_default=false())
    rate_limit_ms: Mapped[int] = mapped_column(Integer, server_default="2000")
    max_retries: Mapped[int] = mapped_column(Integer, server_default="3")
    timeout_seconds: Mapped[int] = mapped_column(Integer, server_default="60")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
