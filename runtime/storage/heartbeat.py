"""Heartbeat: says that this node lives, from a thread that no handler can block."""

import threading
from collections.abc import Callable
from datetime import timedelta

import psycopg2
import structlog
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class

from runtime.clock import Clock
from runtime.errors import DatabaseUnavailable
from runtime.lease import Lease
from runtime.storage.engine import Database
from runtime.storage.nodes import HOLD_LOCK, LOCK_SPACE, confirm_heartbeat

INTERVAL = timedelta(seconds=1)

log = structlog.get_logger(__name__)


class Heartbeat:
    """Holds the node's session lock and confirms its heartbeat once a second.

    Args:
        clock: tells when a heartbeat was sent.
        lease: renewed with each heartbeat that is confirmed.
        each_beat: called after each beat, whether it was confirmed or not; must not block.
    """

    def __init__(
        self,
        database: Database,
        node_id: int,
        clock: Clock,
        lease: Lease,
        each_beat: Callable[[], None],
    ) -> None:
        self._database = database
        self._node_id = node_id
        self._clock = clock
        self._lease = lease
        self._each_beat = each_beat
        self._lock: Connection | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Take the lock, then go on in a thread."""
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Give the lock back."""
        self._stopping.set()
        self._thread.join()
        if self._lock is not None:
            self._lock.close()

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL.total_seconds()):
            try:
                self._beat()
            except (DatabaseUnavailable, psycopg2.Error) as error:
                self._lock = None
                reason = str(error).strip().partition("\n")[0]
                log.warning("heartbeat not confirmed", node=self._node_id, reason=reason)
            self._each_beat()

    def _beat(self) -> None:
        sent_at = self._clock.now()
        if self._lock is None:
            lock = self._database.direct_connection()
            with lock.cursor() as cursor:
                cursor.execute(HOLD_LOCK, (LOCK_SPACE, self._node_id))
            self._lock = lock
        with self._lock.cursor() as cursor:
            cursor.execute("SELECT 1")
        with self._database.transaction("heartbeat") as session:
            confirm_heartbeat(session, self._node_id)
        self._lease.renew(sent_at)
