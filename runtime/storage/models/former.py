"""What is remembered of the former system."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, String, false, func
from sqlalchemy.orm import Mapped, mapped_column

from runtime.storage.models.declarative_base import SCHEMA, Base


class FormerActionType(Base):
    """Which action an id of ``vinted.action_types`` stood for; written by the migrations."""

    __tablename__ = "former_action_types"
    __table_args__ = ({"schema": SCHEMA},)

    former_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    former_code: Mapped[str]
    marketplace: Mapped[str] = mapped_column(String(50))
    code: Mapped[str] = mapped_column(String(50))


class FormerRow(Base):
    """A job or batch of the former system that was taken over; it outlives the row it became.

    Attributes:
        awaits_product: the job is paused until its product is there.
        former_status, fingerprint: what it said when it was taken over, so that a change is seen.
    """

    __tablename__ = "former_rows"
    __table_args__ = ({"schema": SCHEMA},)

    schema_name: Mapped[str] = mapped_column(primary_key=True)
    table_name: Mapped[str] = mapped_column(primary_key=True)
    former_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    new_id: Mapped[int] = mapped_column(BigInteger)
    former_product_id: Mapped[int | None] = mapped_column(BigInteger)
    awaits_product: Mapped[bool] = mapped_column(Boolean, server_default=false())
    former_status: Mapped[str | None]
    fingerprint: Mapped[str | None]
    imported_at: Mapped[datetime] = mapped_column(server_default=func.now())
