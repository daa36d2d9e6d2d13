"""Finds the services that are alive, and the sellers whose browsers are connected to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from runtime.runs.job_states import JobStatus
from runtime.storage.models import BrowserPresence, MarketplaceJob, RuntimeNode

FRESH = timedelta(seconds=30)
"""A node whose last heartbeat is older is taken for dead."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The circumstances on which waiting jobs depend.

    Attributes:
        now: the database's time.
        connected: the sellers whose browser is connected to a living service.
        down: the marketplaces that no living service can serve for now, each with the reason.
    """

    now: datetime
    service_alive: bool
    connected: frozenset[int]
    down: Mapping[str, str]


def circumstances(session: Session, user_ids: Sequence[int]) -> Circumstances:
    """Return the circumstances of the jobs of these sellers."""
    # The database's time, with which the jobs' times are compared.
    now: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    downs = session.scalars(select(RuntimeNode.down).where(_is_service())).all()
    connected = session.scalars(
        select(BrowserPresence.user_id)
        .join(RuntimeNode, RuntimeNode.id == BrowserPresence.node_id)
        .where(BrowserPresence.user_id.in_(user_ids), _is_fresh())
    )
    return Circumstances(now, bool(downs), frozenset(connected), _down_everywhere(downs))


def _down_everywhere(downs: Sequence[Mapping[str, str]]) -> dict[str, str]:
    # A marketplace is down only if every living service says so; one service that can serve it is
    # enough for its jobs to run. The reason told is that of the first service.
    first, *others = downs or [{}]
    return {name: why for name, why in first.items() if all(name in one for one in others)}


def living_nodes(session: Session) -> Sequence[RuntimeNode]:
    """Return the services that run."""
    living = select(RuntimeNode).where(_is_service()).order_by(RuntimeNode.id)
    return session.scalars(living).all()


def fewest_running(session: Session, marketplace: str) -> int:
    """Return how many jobs of a marketplace run on the service that runs the fewest of them."""
    running = (
        select(func.count())
        .where(
            MarketplaceJob.node_id == RuntimeNode.id,
            MarketplaceJob.marketplace == marketplace,
            MarketplaceJob.status == JobStatus.RUNNING,
        )
        .scalar_subquery()
    )
    counts = select(running).where(_is_service(), ~RuntimeNode.down.has_key(marketplace))
    return min(session.scalars(counts), default=0)


def interrupted_jobs(session: Session, marketplace: str) -> Sequence[MarketplaceJob]:
    """Return the jobs whose status is running although no living node runs them."""
    runner = exists().where(RuntimeNode.id == MarketplaceJob.node_id, _is_fresh())
    return session.scalars(
        select(MarketplaceJob)
        .where(
            MarketplaceJob.marketplace == marketplace,
            MarketplaceJob.status == JobStatus.RUNNING,
            ~runner,
        )
        .order_by(MarketplaceJob.id)
    ).all()


def _is_fresh() -> Any:
    return RuntimeNode.heartbeat_at > func.now() - FRESH


def _is_service() -> Any:
    return _is_fresh() & RuntimeNode.serves
