"""The checks of the command doctor; each returns its finding, or raises the problem."""

import http.client
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from runtime.errors import (
    ConfigurationError,
    DataDirectoryError,
    MarketplaceRuntimeError,
    PortInUse,
)
from runtime.handlers.registry import load_registry
from runtime.process.config import Settings
from runtime.process.data_directory import (
    encryption_keys,
    ensure_data_directory,
    media_directory,
    token_secret,
)
from runtime.storage.nodes.liveness import living_nodes
from runtime.storage.schema.migrator import check_migrated, migrate
from runtime.storage.server import diagnosis
from runtime.storage.server.engine import Database, open_database

LARGEST_CLOCK_DIFFERENCE = timedelta(seconds=2)
_PATIENCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    name: str
    status: Literal["ok", "failed", "skipped"]
    detail: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Make all checks; those that depend on a failed one are skipped."""
    yield Finding("settings", "ok", _describe(settings))
    yield _finding("data directory", lambda: str(ensure_data_directory(settings)))
    yield _finding("secrets", lambda: _check_secrets(settings))
    yield _finding("media directory", lambda: _check_media(settings))
    yield _finding("handlers", _check_handlers)
    try:
        database = open_database(settings)
    except MarketplaceRuntimeError as error:
        yield Finding("database", "failed", str(error))
        for name in ("migrations", "direct connection", "clock", "bridge port"):
            yield Finding(name, "skipped", "needs the database")
        return
    try:
        yield _finding("database", lambda: f"PostgreSQL {diagnosis.server_version(database)}")
        migrations = _finding("migrations", lambda: check_migrations(database, settings))
        yield migrations
        yield _finding("direct connection", lambda: _check_sessions(database))
        yield _finding("clock", lambda: _check_clock(database))
        migrated = migrations.status == "ok"
        yield _finding("bridge port", lambda: _check_port(database, settings, migrated=migrated))
    finally:
        database.dispose()


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, "ok", check())
    except MarketplaceRuntimeError as error:
        return Finding(name, "failed", str(error))


def _describe(settings: Settings) -> str:
    where = "the embedded database" if settings.database_url is None else "RUNTIME_DATABASE_URL"
    return f"{where}, bridge on {settings.bridge_host}:{settings.bridge_port}"


def _check_secrets(settings: Settings) -> str:
    token_secret(settings)
    count = len(encryption_keys(settings))
    return f"for tokens of the bridge; {count} encryption {'key' if count == 1 else 'keys'}"


def _check_media(settings: Settings) -> str:
    path = media_directory(settings)
    try:
        # Only a write tells whether one can write: modes say nothing of a full disk or a read-only
        # mount.
        with tempfile.TemporaryFile(dir=path):
            return str(path)
    except OSError as error:
        raise DataDirectoryError(
            f"no image can be stored in {path} ({error.strerror}): "
            "let this user write there, or set RUNTIME_MEDIA_DIR to another one"
        ) from None


def _check_handlers() -> str:
    records = load_registry().records
    failed = [f"{one.key}: {one.reason}" for one in records if one.status == "failed"]
    if failed:
        raise ConfigurationError(
            f"{'; '.join(failed)} (repair or uninstall it; the service runs without)"
        )
    if not records:
        raise ConfigurationError("no handler is installed: `pip install` a handler plugin")
    return f"{len(records)} loaded"


def check_migrations(database: Database, settings: Settings) -> str:
    """Check that the database has this version; an embedded one is migrated to it.

    Raises:
        DatabaseNotMigrated, DatabaseUnavailable
    """
    # Nobody else looks after an embedded database; a server of the operator is not changed unasked.
    if settings.database_url is None:
        migrate(database, lambda _line: None)
    else:
        check_migrated(database)
    return "up to date"


def _check_sessions(database: Database) -> str:
    diagnosis.check_sessions(database)
    return "keeps session locks, delivers notifications"


def _check_clock(database: Database) -> str:
    difference = diagnosis.clock_difference(database)
    shown = f"{difference.total_seconds():+.3f} s"
    if abs(difference) > LARGEST_CLOCK_DIFFERENCE:
        raise ConfigurationError(
            f"the database's clock differs by {shown}: synchronise both machines (NTP)"
        )
    return f"the database's differs by {shown}"


def _check_port(database: Database, settings: Settings, *, migrated: bool) -> str:
    host, port = settings.bridge_host, settings.bridge_port
    if _is_free(host, port):
        return f"{port} is free" if port else "any free port"
    # A port that is taken is in order if the service itself has it, which only the nodes in the
    # database tell; there are none before the migration.
    if migrated and _answers_as_bridge(host, port):
        with database.session() as session:
            nodes = living_nodes(session)
        for node in nodes:
            if node.hostname == socket.gethostname():
                return f"{port} is the running service's (process {node.pid})"
    raise PortInUse(host, port)


def _is_free(host: str, port: int) -> bool:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # The bridge sets this option, too: a port on which old connections linger is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise ConfigurationError(
            f"the host {host!r} is not known ({error.strerror}): correct RUNTIME_BRIDGE_HOST"
        ) from None
    except PermissionError:
        raise ConfigurationError(
            f"port {port} may not be used by this user: set RUNTIME_BRIDGE_PORT to one above 1023"
        ) from None
    except OSError:
        return False
    return True


def _answers_as_bridge(host: str, port: int) -> bool:
    # These addresses stand for all those of a machine, and a client has to name one of them.
    reachable = "127.0.0.1" if host in ("", "0.0.0.0") else "::1" if host == "::" else host  # noqa: S104
    connection = http.client.HTTPConnection(reachable, port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", "/socket.io/?EIO=4&transport=polling")
        # So an Engine.IO server begins its first packet: type 0, then JSON.
        return connection.getresponse().read(2) == b"0{"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
