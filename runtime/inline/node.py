"""Makes this process a node that runs one job by itself; it has a lease and can be rescued."""

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
    """The parts of a node that a run uses.

    Attributes:
        lease: tells until when writes may leave.
        marker: tells which job's code was running if the process dies.
        clock: gives the time; it delivers no messages here.
        stopping: an event that is never set, because transactions take such an event.
    """

    id: int
    lease: Lease
    marker: CrashMarker
    clock: SystemClock
    stopping: threading.Event


@contextmanager
def inline_node(database: Database, markers: Path) -> Iterator[InlineNode]:
    """Register this process as a node for a while; first hand back the jobs of dead nodes.

    Args:
        markers: the directory of crash markers.

    Raises:
        DatabaseUnavailable
    """
    clock = SystemClock(_nobody)
    with database.transaction("register") as session:
        # Other processes must not count on it for a second job.
        node_id = register_node(session, serves=False)
    lease = Lease(clock.now())
    marker = CrashMarker(markers, node_id, lease.stalls)
    heartbeat = Heartbeat(database, node_id, clock, lease, _unasked, serves=False)
    try:
        # The heartbeat comes before the rescue, because other nodes could take a node without a
        # lock for dead while it rescues.
        heartbeat.start()
        rescue_dead_nodes(database, node_id, markers)
        yield InlineNode(node_id, lease, marker, clock, threading.Event())
    finally:
        heartbeat.stop()
        _leave(database, node_id)
        # Behind the leaving: until then the marker could tell a rescuer who ran.
        marker.close()


def _leave(database: Database, node_id: int) -> None:
    try:
        with database.transaction("leave") as session:
            leave(session, node_id)
    except DatabaseUnavailable as error:
        # The other nodes rescue the job as soon as they take this node for dead.
        log.warning("database away", node=node_id, reason=str(error))


def _nobody(_actor: str, _message: Any) -> None:
    """Take a message of the clock, for which there are no actors here."""


def _unasked(_was_forgotten: bool) -> None:
    """Take a beat, from which nothing follows for a node that lives as long as one job."""
