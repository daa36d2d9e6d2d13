"""Manages the embedded PostgreSQL server, which all processes on one data directory share."""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sqlalchemy import URL

from runtime.errors import DatabaseUnavailable, DataDirectoryError
from runtime.storage.server.postgres_cluster import (
    PATIENCE_SECONDS,
    PORT,
    SOCKET_NAME,
    PostgresCluster,
)

CLUSTER_DIRECTORY = "postgres"
USERS_FILE = "postgres.users.lock"
STARTING_FILE = "postgres.starting.lock"
LOCK_PATIENCE_SECONDS = PATIENCE_SECONDS + 30
"""The wait for a lock is longer than its holder may take to start or stop the server."""

_SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103


class EmbeddedServer:
    """The share of one process in the server.

    Each process that uses the server holds a shared lock on a file beside it. The kernel drops
    the lock however the process ends. A process that stops cleanly and can turn its lock into an
    exclusive one is therefore the last user, and stops the server. The wheel's own list of
    process ids would not do, because it keeps the ids of processes that died.

    Attributes:
        url: the server's URL for SQLAlchemy, valid as long as this process uses the server.
    """

    def __init__(self, data_dir: Path) -> None:
        """Open the users' lock file; callers use :meth:`start`."""
        self._cluster = PostgresCluster(data_dir / CLUSTER_DIRECTORY)
        self._directory: int | None = None
        self._users: int | None = _open_lock(data_dir / USERS_FILE)
        self.url = ""

    @classmethod
    def start(cls, data_dir: Path) -> Self:
        """Attach to the server of that directory; create the cluster and start it if needed.

        Raises:
            DataDirectoryError: the directory cannot be used.
            DatabaseUnavailable: the wheel is missing, or its server does not start.
        """
        data_dir = data_dir.expanduser().absolute()
        with _directory_errors(data_dir):
            server = cls(data_dir)
            try:
                server._attach(data_dir)
            except BaseException:
                server.release()
                raise
        return server

    def ensure_running(self) -> None:
        """Start the server if it does not run.

        Raises:
            DatabaseUnavailable: the server does not start.
        """
        data_dir = self._cluster.path.parent
        starting = _open_lock(data_dir / STARTING_FILE)
        try:
            _lock(starting, fcntl.LOCK_EX, f"starting the embedded PostgreSQL in {data_dir}")
            self._cluster.ensure_running()
        finally:
            os.close(starting)

    def release(self) -> None:
        """End the use of the server, and stop it if nobody else uses it.

        A second call does nothing.
        """
        users, self._users = self._users, None
        directory, self._directory = self._directory, None
        if directory is not None:
            os.close(directory)
        if users is None:
            return
        try:
            # While others use the server, their shared locks keep this one from getting its own.
            if _try_lock(users, fcntl.LOCK_EX):
                self._cluster.stop()
        finally:
            os.close(users)

    def _attach(self, data_dir: Path) -> None:
        assert self._users is not None
        # This lock comes first, because a process that is stopping the server holds it until the
        # server has stopped.
        _lock(self._users, fcntl.LOCK_SH, f"stopping the embedded PostgreSQL in {data_dir}")
        self.ensure_running()
        self.url = URL.create(
            "postgresql+psycopg2",
            username="postgres",
            database="postgres",
            query={"host": self._socket_directory(), "port": str(PORT)},
        ).render_as_string(hide_password=False)

    def _socket_directory(self) -> str:
        path = self._cluster.path
        if len(os.fsencode(path / SOCKET_NAME)) <= _SOCKET_PATH_LIMIT:
            return str(path)
        if sys.platform != "linux":
            raise DataDirectoryError(
                f"the path {path} is too long for a socket: set RUNTIME_DATA_DIR to a shorter one"
            )
        # The path of a socket is limited to about a hundred bytes; a path by way of an open
        # descriptor is short, however long the real one is.
        self._directory = os.open(path, os.O_PATH | os.O_DIRECTORY)
        return f"/proc/{os.getpid()}/fd/{self._directory}"


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _try_lock(file: int, operation: int) -> bool:
    try:
        fcntl.flock(file, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock(file: int, operation: int, other_is: str) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while not _try_lock(file, operation):
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(
                f"another process has been {other_is} for more than {LOCK_PATIENCE_SECONDS} s: "
                "wait for it, or end it"
            )
        time.sleep(0.02)


@contextmanager
def _directory_errors(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataDirectoryError(
            f"the data directory {data_dir} cannot be used ({error.filename}: {error.strerror}): "
            "make it writable for this user, or set RUNTIME_DATA_DIR to one that is"
        ) from None
