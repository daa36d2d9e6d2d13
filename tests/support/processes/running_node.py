"""A whole node in the test's own process, with handlers that the test brings."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from actors.base_actor import BaseActor
from actors.marketplace import MarketplaceActor
from actors.node import Node
from runtime.handlers.job_handler import BaseJobHandler
from runtime.handlers.registry import HandlerRecord, Registry
from runtime.marketplaces.record import Marketplace
from runtime.messages import marketplace_actor
from runtime.process.config import Settings
from runtime.runs.job import handler_key
from runtime.runs.job_states import FINAL
from runtime.storage.models import MarketplaceJob
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import get_job, job_has_status
from tests.support.deadline import wait_until


@dataclass
class Scene:
    """A running node and its database."""

    node: Node
    database: Database
    settings: Settings

    def ended(self, job_id: int, seconds: float = 60.0) -> MarketplaceJob:
        """The job once it is over."""
        return self.reaches(job_id, *FINAL, seconds=seconds)

    def reaches(self, job_id: int, *statuses: str, seconds: float = 60.0) -> MarketplaceJob:
        """The job once it has one of these statuses."""

        def probe() -> MarketplaceJob | None:
            if not job_has_status(self.database, job_id, statuses):
                return None
            job = get_job(self.database, job_id)
            return job if job.status in statuses else None

        return wait_until(probe, seconds)

    def actor(self, name: str) -> BaseActor | None:
        """The actor object behind a name."""
        entry = self.node._directory.find(name)
        return entry.ref._actor_weakref() if entry else None

    def marketplace(self, name: str) -> MarketplaceActor:
        """The actor of a marketplace, which must be there."""
        actor = self.actor(marketplace_actor(name))
        assert isinstance(actor, MarketplaceActor), actor
        return actor

    def kill(self, name: str) -> None:
        """Let an actor die of its next message, and wait until it is dead."""
        actor = self.actor(name)
        assert actor is not None, name
        vars(actor)["receive"] = None
        self.node._directory.tell(name, object())
        wait_until(lambda: not actor.actor_ref.is_alive())


StartNode = Callable[..., AbstractContextManager[Scene]]
"""Starts a node with a handler that the test brings."""


def registry_of(
    *marketplaces: Marketplace, handlers: dict[tuple[str, str], type[BaseJobHandler]]
) -> Registry:
    """A registry with these handlers, keyed by (action, marketplace)."""
    by_key = {handler_key(*pair): handler for pair, handler in handlers.items()}
    return Registry(
        records=tuple(HandlerRecord(key, "loaded", "tests") for key in sorted(by_key)),
        marketplaces={one.name: one for one in marketplaces},
        handlers=by_key,
    )


@contextmanager
def running_node(
    settings: Settings, database: Database, registry: Registry, **changes: object
) -> Iterator[Scene]:
    """Start a node on a free port; stop it at the end."""
    chosen = settings.model_copy(
        update={"bridge_port": 0, "drain_seconds": 5.0, "poll_seconds": 0.5, **changes}
    )
    node = Node(chosen, database, registry)
    node.start()
    try:
        yield Scene(node, database, chosen)
    finally:
        node.stop()
