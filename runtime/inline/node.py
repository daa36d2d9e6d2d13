"""A node that runs one job by itself, beside the services: leased and rescued like any other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from runtime.errors import DatabaseUnavailable
from runtime.process.clock import SystemClock
from runtime.process.crash_marker import CrashMarker
from runtime.process.lease import Lease
from runtime.storage.nodes.heartbeat import Heartbeat
from runtime.storage.nodes.membership import leave, register_node
from runtime.storage.nodes.rescue import rescue_dead_nodes
from runtime.storage.server.engine import Database

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InlineNode:
    """What a run needs of the node that runs it.

    Attributes:
        lease: until when writes may leave.
        marker: tells, should the process die, whose code was running.
        clock: only its ``now`` is used; it delivers nothing.
        stopping: never set; transactions ask for it.
    """

    id: int
    lease: Lease
    marker: CrashMarker
    clock: SystemClock
    stopping: threading.Event


@contextmanager
def inline_node(database: Database, markers: Path) -> Iterator[InlineNode]:
    """Be a node for a while. Jobs of nodes that died are handed back first.

    Args:
        markers: the directory of crash markers.

    Raises:
        DatabaseUnavailable
    """
    clock = SystemClock(_nobody)
    with database.transaction("register") as session:
        node_id = register_node(session, serves=False)
    marker = CrashMarker(markers, node_id)
    lease = Lease(clock.now())
    heartbeat = Heartbeat(database, node_id, clock, lease, _unasked, serves=False)
    try:
        heartbeat.start()
        rescue_dead_nodes(database, node_id, markers)
        yield InlineNode(node_id, lease, marker, clock, threading.Event())
    finally:
        heartbeat.stop()
        _leave(database, node_id)
        marker.close()


def _leave(database: Database, node_id: int) -> None:
    try:
        with database.transaction("leave") as session:
            leave(session, node_id)
    except DatabaseUnavailable as error:
        # Its jobs are rescued once it is taken for dead.
        log.warning("database away", node=node_id, reason=str(error))


def _nobody(_actor: str, _message: Any) -> None:
    """There are no actors here."""


def _unasked(_was_forgotten: bool) -> None:
    """Nobody looks after a node that lives as long as one job."""
