"""The way to the database: one engine, and connections of one's own beside it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import structlog
from psycopg2.extensions import connection as RawConnection  # noqa: N812 - it is a class
from pydantic import SecretStr
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from runtime.errors import ConfigurationError, DatabaseUnavailable
from runtime.process.config import Settings
from runtime.process.data_directory import ensure_data_directory
from runtime.process.kill_points import reached
from runtime.process.lease import DEAD_AFTER
from runtime.storage.server.embedded import EmbeddedServer

log = structlog.get_logger(__name__)

_DRIVER = "postgresql+psycopg2"
_ACCEPTED_DRIVERS = frozenset({"postgres", "postgresql", _DRIVER})

_CONNECT_DEFAULTS = {
    "application_name": "marketplace-runtime",
    "connect_timeout": "5",
    # Without these a server that vanished without a word is waited for by the hour. They are
    # ignored on a Unix socket.
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}

LONGEST_IDLE = DEAD_AFTER
"""How long a transaction may hold its locks and ask for nothing: its process is stopped."""

# Compiling a claim takes PostgreSQL longer than to run it.
_SET_UP = text(
    "SELECT set_config('idle_in_transaction_session_timeout', :limit, true), "
    "set_config('jit', 'off', true)"
)

_AWAY_CLASS = "08"
_AWAY_CODES = frozenset({"25P03", "57P01", "57P02", "57P03", "53300"})
# Read-only for a while, out of disk or memory, deadlocks, time-outs: what passes in time.
_PASSING_CODES = frozenset({"25006", "40001", "40P01", "55P03", "57014"})
_PASSING_CLASS = "53"
_CLOSED = re.compile(r"connection (already closed|.*unexpectedly)")


class Database:
    """The database of one process.

    Attributes:
        engine: SQLAlchemy's, with a pool.
        session: makes sessions: ``with database.session() as session:`` leaves the commit to
            the caller, ``with database.session.begin() as session:`` commits.
    """

    def __init__(
        self,
        url: URL,
        direct_url: URL | None = None,
        *,
        pool_size: int = 10,
        embedded: EmbeddedServer | None = None,
    ) -> None:
        """Make the engine; connects to nothing yet."""
        self._direct_url = direct_url or url
        self._embedded = embedded
        self.engine: Engine = create_engine(
            url,
            connect_args=_defaults_for(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            # No column here is an hstore, and asking for its type costs each connection a query.
            use_native_hstore=False,
        )
        self.session: sessionmaker[Session] = sessionmaker(self.engine, expire_on_commit=False)

    def direct_connection(self) -> RawConnection:
        """Open a new connection to the server itself, in autocommit mode, for the caller to close.

        LISTEN and session locks belong to a connection, which a transaction-pooling proxy shares
        out between its clients.

        Raises:
            DatabaseUnavailable: the server cannot be reached.
        """
        connection = _connect(self._direct_url)
        connection.autocommit = True
        return connection

    @contextmanager
    def transaction(self, name: str) -> Iterator[Session]:
        """Open a session whose work is committed at the end.

        Args:
            name: what is committed, for the points at which a test ends the process.

        Raises:
            DatabaseUnavailable: the server is away, and whether it committed is not known; or
                what passes in time was in the way: a deadlock, a lock, a full disk.
        """
        with database_errors(), _passing_errors(), self.session.begin() as session:
            # For each transaction, because a pooling proxy shares connections out.
            limit = f"{LONGEST_IDLE.total_seconds() * 1000:.0f}ms"
            session.execute(_SET_UP, {"limit": limit})
            yield session
            session.flush()
            reached(f"{name}.before_commit")
        reached(f"{name}.after_commit")

    def revive(self) -> None:
        """Start an embedded server again that died; does nothing for an operator's server."""
        if self._embedded is None:
            return
        try:
            self._embedded.ensure_running()
        except ConfigurationError as error:
            log.warning("the embedded PostgreSQL does not start", reason=str(error))

    def dispose(self) -> None:
        """Close the pool; end an embedded server that nobody else uses."""
        self.engine.dispose()
        if self._embedded is not None:
            self._embedded.release()


def open_database(settings: Settings) -> Database:
    """Open the operator's database, or the embedded one where none is set.

    Raises:
        ConfigurationError: a URL cannot be used.
        DataDirectoryError: the embedded database's directory cannot be used.
        DatabaseUnavailable: there is no reaching the server.
    """
    pool_size = settings.worker_threads + 4
    if settings.database_url is None:
        if settings.database_direct_url is not None:
            raise ConfigurationError(
                "RUNTIME_DATABASE_DIRECT_URL is set and RUNTIME_DATABASE_URL is not: "
                "set both, or neither for the embedded database"
            )
        embedded = EmbeddedServer.start(ensure_data_directory(settings))
        return Database(make_url(embedded.url), pool_size=pool_size, embedded=embedded)
    url = _parse("RUNTIME_DATABASE_URL", settings.database_url)
    urls = [url]
    if settings.database_direct_url is not None:
        urls.append(_parse("RUNTIME_DATABASE_DIRECT_URL", settings.database_direct_url))
    for one in urls:
        _connect(one).close()
    return Database(url, urls[-1], pool_size=pool_size)


def database_beside(session: Session, settings: Settings) -> Database:
    """Return the database that an application's session is on, with connections of our own."""
    url = session.get_bind().engine.url.set(drivername=_DRIVER)
    direct = settings.database_direct_url
    return Database(
        url,
        None if direct is None else _parse("RUNTIME_DATABASE_DIRECT_URL", direct),
        pool_size=2,
    )


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn every way in which the server can be away into :class:`DatabaseUnavailable`.

    Errors about what was asked of the server pass unchanged.
    """
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable("all connections to the database are busy") from error
    except (DBAPIError, psycopg2.Error) as error:
        if not _is_away(error):
            raise
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise DatabaseUnavailable(
            f"the database went away ({_first_line(reason)}): see that PostgreSQL runs and can "
            "be reached"
        ) from error


@contextmanager
def _passing_errors() -> Iterator[None]:
    """Take what passes in time for the server being away: whoever tries again gets through."""
    try:
        yield
    except DBAPIError as error:
        code = str(getattr(error.orig, "pgcode", None) or "")
        if code not in _PASSING_CODES and not code.startswith(_PASSING_CLASS):
            raise
        raise DatabaseUnavailable(
            f"the database cannot do it now ({_first_line(error.orig)}): try it again"
        ) from error


def _is_away(error: DBAPIError | psycopg2.Error) -> bool:
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        return isinstance(error.orig, psycopg2.Error) and _is_away(error.orig)
    code = error.pgcode
    if code is not None:
        return code in _AWAY_CODES or code.startswith(_AWAY_CLASS)
    if isinstance(error, psycopg2.OperationalError):
        return True
    return _CLOSED.search(str(error)) is not None


def _parse(variable: str, value: SecretStr) -> URL:
    try:
        url = make_url(value.get_secret_value())
        usable = url.drivername in _ACCEPTED_DRIVERS
    except (ArgumentError, ValueError):
        usable = False
    if not usable:
        raise ConfigurationError(
            f"{variable} cannot be used: it has to look like "
            "postgresql://user:password@host:5432/database, with special characters in the "
            "password percent-encoded"
        )
    return url.set(drivername=_DRIVER)


def _connect(url: URL) -> RawConnection:
    arguments, parameters = url.get_dialect()().create_connect_args(url)
    try:
        connection: RawConnection = psycopg2.connect(
            *arguments, **{**_defaults_for(url), **parameters}
        )
    except psycopg2.ProgrammingError as error:
        raise ConfigurationError(
            f"the URL of the database {_place(url)} cannot be used: {_first_line(error)}: "
            "correct RUNTIME_DATABASE_URL"
        ) from None
    except (psycopg2.Error, UnicodeDecodeError) as error:
        raise DatabaseUnavailable(
            f"cannot reach the database {_place(url)} ({_first_line(error)}): see that PostgreSQL "
            "runs there, and that RUNTIME_DATABASE_URL is right"
        ) from None
    return connection


def _defaults_for(url: URL) -> dict[str, str]:
    return {name: value for name, value in _CONNECT_DEFAULTS.items() if name not in url.query}


def _place(url: URL) -> str:
    """Where the URL points, without the user's secrets."""
    host = url.host or url.query.get("host") or "the local socket"
    port = url.port or url.query.get("port") or 5432
    return f"{url.database or url.username or ''!r} at {host}, port {port}"


def _first_line(error: Any) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(":") if lines else type(error).__name__
