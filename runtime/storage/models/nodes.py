"""The tables of nodes, and of the sellers who are connected to them."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Identity,
    Integer,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from runtime.storage.models.declarative_base import SCHEMA, Base


class RuntimeNode(Base):
    """A process that runs jobs, and holds a session advisory lock on its id.

    Attributes:
        interrupted_at: the end of the last gap between its heartbeats in which others could have
            been taken for dead, or None if there was none; soon after it the node judges nobody.
        serves: whether it is a service; if not, it is a process that runs a single job.
        down: the marketplaces that it cannot serve for now, each with the reason. They stand here
            and not in the closures, which would stop the marketplace on other services, too.
    """

    __tablename__ = "runtime_nodes"
    __table_args__ = ({"schema": SCHEMA},)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    hostname: Mapped[str]
    pid: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    heartbeat_at: Mapped[datetime] = mapped_column(server_default=func.now())
    interrupted_at: Mapped[datetime | None]
    down: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    serves: Mapped[bool] = mapped_column(Boolean, server_default=true())


class BrowserPresence(Base):
    """A seller whose browser is connected to a node's bridge."""

    __tablename__ = "browser_presence"
    __table_args__ = ({"schema": SCHEMA},)

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    node_id: Mapped[int] = mapped_column(
        # The sellers of a node that died are gone with its row.
        ForeignKey(f"{SCHEMA}.runtime_nodes.id", ondelete="CASCADE"),
        primary_key=True,
    )
    connected_at: Mapped[datetime] = mapped_column(server_default=func.now())


class BrowserLastSeen(Base):
    """The time at which a seller's last browser disconnected."""

    __tablename__ = "browser_last_seen"
    __table_args__ = ({"schema": SCHEMA},)

    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seen_at: Mapped[datetime]
