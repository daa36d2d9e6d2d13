"""Opens the database: one engine with a pool, and direct connections to the server."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import structlog
from psycopg2.extensions import connection as RawConnection  # noqa: N812 - it is a class
from pydantic import SecretStr
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from runtime.errors import ConfigurationError, DatabaseUnavailable
from runtime.process.config import Settings
from runtime.process.data_directory import ensure_data_directory
from runtime.process.kill_points import reached
from runtime.process.lease import DEAD_AFTER
from runtime.storage.server import session_settings
from runtime.storage.server.embedded import EmbeddedServer

log = structlog.get_logger(__name__)

_DRIVER = "postgresql+psycopg2"
_ACCEPTED_DRIVERS = frozenset({"postgres", "postgresql", _DRIVER})

_CONNECT_DEFAULTS = {
    "application_name": "marketplace-runtime",
    "connect_timeout": "5",
    # Without keepalives a client waits for hours for a server that vanished without a word.
    # Unix sockets ignore them.
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}

LONGEST_IDLE = DEAD_AFTER
"""A transaction that holds its locks for so long and sends nothing is ended by the server: its
process has been stopped."""

# The server is away: class 08 is a broken connection; 25P03 an ended idle transaction; 57P01, 57P02
# and 57P03 a server that stops, crashed or starts; 53300 a server with no connection free.
_AWAY_CLASS = "08"
_AWAY_CODES = frozenset({"25P03", "57P01", "57P02", "57P03", "53300"})
# Errors that pass in time: a server that is read-only for a while, deadlocks, time-outs.
_PASSING_CODES = frozenset({"25006", "40001", "40P01", "55P03", "57014"})
_PASSING_CLASS = "53"
# psycopg2 itself reports a connection that is closed already, and without a code of PostgreSQL, so
# that its words are the only mark.
_CLOSED = re.compile(r"connection (already closed|.{0,200}unexpectedly)")


class Database:
    """The database of one process.

    Attributes:
        engine: SQLAlchemy's engine, with a pool.
        session: makes sessions: ``with database.session() as session:`` leaves the commit to
            the caller; ``with database.session.begin() as session:`` commits.
    """

    def __init__(
        self,
        url: URL,
        direct_url: URL | None = None,
        *,
        pool_size: int = 10,
        embedded: EmbeddedServer | None = None,
    ) -> None:
        """Make the engine, which does not connect yet."""
        self._direct_url = direct_url or url
        self._embedded = embedded
        self.engine: Engine = create_engine(
            url,
            connect_args=_defaults_for(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            # A restart of the server leaves dead connections in the pool. Without the ping each of
            # them would fail one transaction before the pool notices.
            pool_pre_ping=True,
            # No column here is an hstore, and asking for its type costs each connection a query.
            use_native_hstore=False,
        )
        event.listen(self.engine, "begin", _set_up)
        # Rows are read after the commit, too. If they expired with it, each look at one would open
        # a new transaction, or fail because the session is closed.
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
        with database_errors(), connection.cursor() as cursor:
            cursor.execute(session_settings.for_session(connection.server_version))
        return connection

    @contextmanager
    def transaction(self, name: str) -> Iterator[Session]:
        """Open a session whose work is committed at the end.

        Args:
            name: the name of the commit; a test ends the process before and after each name.

        Raises:
            DatabaseUnavailable: the server is away, so that nobody knows whether it committed;
                or a passing problem prevented it: a deadlock, a lock, a full disk.
        """
        with database_errors(), _passing_errors(), self.session.begin() as session:
            yield session
            # The flush sends what is still pending, so that a process killed at the next line has
            # made all statements and lacks only the COMMIT.
            session.flush()
            reached(f"{name}.before_commit")
        reached(f"{name}.after_commit")

    def revive(self) -> None:
        """Start the embedded server again if it died; an operator's server is not touched."""
        if self._embedded is None:
            return
        try:
            self._embedded.ensure_running()
        except ConfigurationError as error:
            log.warning("the embedded PostgreSQL does not start", reason=str(error))

    def dispose(self) -> None:
        """Close the pool, and stop an embedded server that nobody else uses."""
        self.engine.dispose()
        if self._embedded is not None:
            self._embedded.release()


def open_database(settings: Settings) -> Database:
    """Open the operator's database, or the embedded one if none is configured.

    Raises:
        ConfigurationError: a URL cannot be used.
        DataDirectoryError: the embedded database's directory cannot be used.
        DatabaseUnavailable: the server cannot be reached.
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
    # A server that cannot be reached fails the start, and not the first job.
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
    """Map all errors of a server that is away to :class:`DatabaseUnavailable`.

    Errors about the statements themselves pass unchanged.
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
    """Map passing problems to :class:`DatabaseUnavailable`, because a retry gets through."""
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
    # Without a code the server has not answered: libpq could not connect, or lost the connection.
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


def check_encoding(database: Database, connection: Connection) -> None:
    """Check that the database can store every character.

    Raises:
        ConfigurationError: its encoding is not UTF-8. A product's emoji would be refused after its
            listing was made.
    """
    raw: Any = connection.connection.dbapi_connection
    # The server says it when a connection begins, so that nothing is asked here.
    encoding = raw.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ConfigurationError(
            f"the database {database.engine.url.database!r} has the encoding {encoding}, and "
            "cannot store every character: make one with CREATE DATABASE ... ENCODING 'UTF8' "
            "TEMPLATE template0, move its contents there (pg_dump, pg_restore), and set "
            "RUNTIME_DATABASE_URL to it"
        )


def _set_up(connection: Connection) -> None:
    raw: Any = connection.connection.dbapi_connection
    connection.exec_driver_sql(session_settings.for_transaction(raw.server_version, LONGEST_IDLE))


def _connect(url: URL) -> RawConnection:
    arguments, parameters = url.get_dialect()().create_connect_args(url)
    try:
        connection: RawConnection = psycopg2.connect(
            *arguments, **{**parameters, **_defaults_for(url)}
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
    given = {name: value for name, value in _CONNECT_DEFAULTS.items() if name not in url.query}
    # No URL and no PGCLIENTENCODING decides which characters can be read and written.
    return {**given, "client_encoding": session_settings.CLIENT_ENCODING}


def _place(url: URL) -> str:
    """Name the place to which the URL points, without secrets."""
    host = url.host or url.query.get("host") or "the local socket"
    port = url.port or url.query.get("port") or 5432
    return f"{url.database or url.username or ''!r} at {host}, port {port}"


def _first_line(error: Any) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(":") if lines else type(error).__name__
