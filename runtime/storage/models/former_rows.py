"""The tables that remember the former system."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, String, false, func
from sqlalchemy.orm import Mapped, mapped_column

from runtime.storage.models.declarative_base import SCHEMA, Base


class FormerActionType(Base):
    """The action for which an id of ``vinted.action_types`` stood; migrations write it."""

    __tablename__ = "former_action_types"
    __table_args__ = ({"schema": SCHEMA},)

    former_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    former_code: Mapped[str]
    marketplace: Mapped[str] = mapped_column(String(50))
    code: Mapped[str] = mapped_column(String(50))


class FormerRow(Base):
    """A job or batch of the former system that was taken over.

    It outlives the row that it became, so that an import never takes a pruned job over again.

    Attributes:
        awaits_product: whether the job is paused until its product is imported.
        former_status, fingerprint: its state when it was taken over, which shows later changes.
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
