"""Runs LISTEN on a connection and in a thread of its own.

A connection can die without a word. So the listener notifies itself now and then, and takes the
connection for dead if such a probe does not come back.
"""

import json
import select
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg2
import structlog
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class

from runtime.errors import DatabaseUnavailable
from runtime.messages import (
    CancelRequested,
    ClosuresChanged,
    JobsAnnounced,
    LaneShop,
    ListeningAgain,
    PauseRequested,
    SchedulesChanged,
)
from runtime.storage.server.engine import Database

JOBS_CHANNEL = "marketplace_runtime_jobs"
CANCEL_CHANNEL = "marketplace_runtime_cancel"
SCHEDULES_CHANNEL = "marketplace_runtime_schedules"
PAUSE_CHANNEL = "marketplace_runtime_pause"
CLOSURES_CHANNEL = "marketplace_runtime_closures"
PROBE_CHANNEL = "marketplace_runtime_probe"

CHANNELS = (JOBS_CHANNEL, CANCEL_CHANNEL, PAUSE_CHANNEL, CLOSURES_CHANNEL, SCHEDULES_CHANNEL)

STOP_PATIENCE_SECONDS = 5.0

FORESEEN = (psycopg2.Error, DatabaseUnavailable, OSError)
"""Errors that say that the database is away; of any other one the log tells where it arose."""
LONGEST_MS = 10**12

Hint = (
    JobsAnnounced
    | CancelRequested
    | PauseRequested
    | ClosuresChanged
    | SchedulesChanged
    | ListeningAgain
)

log = structlog.get_logger(__name__)


class Listener:
    """Turns notifications into hints for the supervisor.

    Args:
        deliver: takes each hint; it must neither block nor raise.
        probe_interval: the time between two probes; a dead connection is noticed after twice
            this time at most.
    """

    def __init__(
        self,
        database: Database,
        deliver: Callable[[Hint], None],
        probe_interval: timedelta = timedelta(seconds=5),
    ) -> None:
        self._database = database
        self._deliver = deliver
        self._interval = probe_interval.total_seconds()
        self._stopping = threading.Event()
        # Closing one end wakes the thread, which waits for the other end and for the connection at
        # once.
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Start the thread; it delivers :class:`ListeningAgain` as soon as it listens."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._stopping.set()
        self._wake.close()
        self._thread.join(STOP_PATIENCE_SECONDS)
        self._woken.close()

    def _run(self) -> None:
        delay = 0.1
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                self._listen()
            except Exception as error:
                # A connection that lasted for a while starts the backoff anew.
                if time.monotonic() - started > self._interval:
                    delay = 0.1
                reason = str(error).strip().partition("\n")[0]
                log.warning(
                    "listening connection lost", reason=reason, retry_seconds=delay,
                    exc_info=not isinstance(error, FORESEEN),
                )  # fmt: skip
                self._stopping.wait(delay)
                delay = min(delay * 2, 5.0)

    def _listen(self) -> None:
        connection = self._database.direct_connection()
        try:
            with connection.cursor() as cursor:
                for channel in CHANNELS:
                    cursor.execute(f'LISTEN "{channel}"')
                # Each connection has a channel of its own, so that no node takes another's probe
                # for its own.
                probe = f"{PROBE_CHANNEL}_{connection.info.backend_pid}"
                cursor.execute(f'LISTEN "{probe}"')
            # Announcements of the time without LISTEN are lost, so somebody has to look.
            self._deliver(ListeningAgain())
            self._receive(connection, probe)
        finally:
            connection.close()

    def _receive(self, connection: Connection, probe: str) -> None:
        heard = time.monotonic()
        # select.select does not serve, because it knows no descriptors above 1,023.
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while not self._stopping.is_set():
            ready = {descriptor for descriptor, _ in poll.poll(self._interval * 1000)}
            now = time.monotonic()
            if connection.fileno() in ready:
                connection.poll()
                self._hand_on(connection)
                heard = now
            elif now - heard >= self._interval:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_notify(%s, '')", (probe,))
                # A notification to oneself comes back with the answer to the statement.
                if not connection.notifies:
                    raise psycopg2.OperationalError("a probe did not come back")
                self._hand_on(connection)
                heard = now

    def _hand_on(self, connection: Connection) -> None:
        # Many notifications of one shop become one hint.
        announced: dict[str, set[LaneShop]] = {}
        changed: dict[str, None] = {}
        for notification in connection.notifies:
            try:
                if notification.channel == JOBS_CHANNEL:
                    payload = json.loads(notification.payload)
                    shop = _lane_shop(payload)
                    announced.setdefault(str(payload["marketplace"]), set()).add(shop)
                elif notification.channel == CANCEL_CHANNEL:
                    self._deliver(CancelRequested(int(notification.payload)))
                elif notification.channel == SCHEDULES_CHANNEL:
                    self._deliver(SchedulesChanged())
                elif notification.channel == PAUSE_CHANNEL:
                    self._deliver(PauseRequested(int(notification.payload)))
                elif notification.channel == CLOSURES_CHANNEL:
                    changed[notification.payload] = None
            except (ArithmeticError, KeyError, RecursionError, TypeError, ValueError):
                log.warning("unreadable notification", channel=notification.channel)
        connection.notifies.clear()
        for marketplace in changed:
            self._deliver(ClosuresChanged(marketplace))
        for marketplace, shops in announced.items():
            self._deliver(JobsAnnounced(marketplace, tuple(shops)))


def _lane_shop(payload: dict[str, Any]) -> LaneShop:
    shop_id, user_id = int(payload["shop_id"]), int(payload["user_id"])
    if "priority" not in payload:
        return LaneShop(shop_id, user_id)
    # Anybody who can connect can notify, with a number that no timedelta can hold.
    due_in = timedelta(milliseconds=min(int(payload.get("due_in_ms", 0)), LONGEST_MS))
    return LaneShop(shop_id, user_id, int(payload["priority"]), due_in)
