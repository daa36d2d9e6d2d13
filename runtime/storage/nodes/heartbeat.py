"""Says that this node is alive, from a thread that no handler can block."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class

from runtime.process.clock import Comparison, SystemClock
from runtime.process.lease import Lease
from runtime.storage.nodes.membership import HOLD_LOCK, LOCK_SPACE, confirm_heartbeat
from runtime.storage.server.engine import Database

INTERVAL = timedelta(seconds=1)
STOP_PATIENCE_SECONDS = 5.0

LARGEST_DIFFERENCE = timedelta(seconds=2)
"""A clock of a machine that differs by more from the database's is told of in the log."""

log = structlog.get_logger(__name__)


class Heartbeat:
    """Holds the node's session lock and confirms its heartbeat once a second.

    Args:
        clock: gives the time at which a heartbeat was sent, and is compared with the database's
            clock at each beat.
        lease: is renewed with each confirmed heartbeat.
        each_beat: is called after each beat with whether the node had been taken for dead; it
            must not block.
        serves: see :func:`runtime.storage.nodes.membership.register_node`.
    """

    def __init__(
        self,
        database: Database,
        node_id: int,
        clock: SystemClock,
        lease: Lease,
        each_beat: Callable[[bool], None],
        *,
        serves: bool = True,
    ) -> None:
        self._database = database
        self._node_id = node_id
        self._clock = clock
        self._lease = lease
        self._each_beat = each_beat
        self._serves = serves
        self._lock: Connection | None = None
        self._told = timedelta(0)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Take the session lock, and then go on in a thread."""
        # The first beat is made in the caller's thread, so that the node holds its lock and its
        # lease before it claims anything, and a database that is away fails the start.
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Give the lock back, without waiting for a database that does not answer."""
        self._stopping.set()
        self._thread.join(STOP_PATIENCE_SECONDS)
        self._drop_lock()

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL.total_seconds()):
            was_forgotten = False
            try:
                was_forgotten = self._beat()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next beat must come
                reason = str(error).strip().partition("\n")[0]
                log.warning("heartbeat not confirmed", node=self._node_id, reason=reason)
                # The connection may be dead, and the lock with it; the next beat takes the lock on
                # a new one.
                self._drop_lock()
                # An embedded server that crashed has nobody else who would start it.
                self._database.revive()
            # A failed beat is told, too: the service restarts a dead supervisor at each beat, which
            # must not depend on the database.
            self._each_beat(was_forgotten)

    def _beat(self) -> bool:
        self._lease.stalls.had_turn()
        if self._lock is None:
            lock = self._database.direct_connection()
            with lock.cursor() as cursor:
                cursor.execute(HOLD_LOCK, (LOCK_SPACE, self._node_id))
            self._lock = lock
        # The lock's connection may have died without a word, and the lock with it.
        with self._lock.cursor() as cursor:
            asked_at = self._clock.now()
            cursor.execute("SELECT clock_timestamp()")
            (there,) = cursor.fetchone() or (None,)
            assert isinstance(there, datetime)
        self._tell_of(self._clock.compare(there, asked_at, self._clock.now()))
        # The lease counts from before the statement was sent, because others count from the moment
        # at which the database wrote it. A time from before the comparison would be another
        # clock's.
        sent_at = self._clock.now()
        with self._database.transaction("heartbeat") as session:
            was_forgotten = confirm_heartbeat(session, self._node_id, serves=self._serves)
        self._lease.renew(sent_at)
        return was_forgotten

    def _tell_of(self, found: Comparison) -> None:
        """Say in the log what a comparison of the clocks found, once for each change."""
        if abs(found.corrected) > LARGEST_DIFFERENCE:
            log.warning(
                "the time was corrected to the database's: this machine was suspended, or a clock "
                "was wrong or was stepped",
                node=self._node_id,
                seconds=round(found.corrected.total_seconds(), 3),
            )
        if abs(found.machine_behind - self._told) <= LARGEST_DIFFERENCE + found.uncertainty:
            return
        self._told = found.machine_behind
        if abs(found.machine_behind) > LARGEST_DIFFERENCE:
            log.warning(
                "this machine's clock differs from the database's, which counts: synchronise both "
                "machines (NTP)",
                node=self._node_id,
                behind_seconds=round(found.machine_behind.total_seconds(), 3),
            )
        else:
            log.info("this machine's clock agrees with the database's again", node=self._node_id)

    def _drop_lock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()
