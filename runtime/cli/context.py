"""The surroundings of one command: settings, logging, the database, and plugins."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from runtime.handlers.registry import Registry, load_registry
from runtime.process.config import Settings, load_settings
from runtime.process.logs import configure_logging
from runtime.storage.schema.migrator import check_migrated, migrate
from runtime.storage.schema.plugin_action_types import ensure_action_types
from runtime.storage.server.engine import Database, open_database
from runtime.storage.server.session_errors import application_errors
from runtime.waiting.lane_policy import LanePolicy


def command_settings() -> Settings:
    """Read the settings, and set up logging for a command: only warnings, unless set otherwise."""
    settings = load_settings()
    # The default level is made for a service; a command's output is its result.
    quiet = settings.model_copy(update={"log_level": "warning"})
    configure_logging(quiet if settings.log_level == "info" else settings)
    return settings


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """Yield the database of this command, ready for use, whether a service runs or not.

    An embedded database is migrated first. On an operator's server only the commands ``migrate``
    and ``serve`` change the schema.

    Raises:
        DatabaseUnavailable, DatabaseNotMigrated, DataDirectoryError, ConfigurationError
    """
    database = open_database(settings)
    try:
        if settings.database_url is None:
            migrate(database, _unsaid)
        else:
            check_migrated(database)
        yield database
    finally:
        database.dispose()


@contextmanager
def command_session() -> Iterator[Session]:
    """Open a session on the database; uncommitted work is rolled back at the end."""
    # Errors of the database are told in one line, also those that a commit raises.
    with (
        opened_database(command_settings()) as database,
        application_errors(),
        database.session() as session,
    ):
        yield session


class Plugins:
    """The handler plugins, which are loaded when a command first needs them."""

    def __init__(self, load: Callable[[], Registry] = load_registry) -> None:
        self._load = load
        # Loading plugins takes a moment, and most commands need none.
        self._registry: Registry | None = None

    @property
    def registry(self) -> Registry:
        """The loaded plugins."""
        if self._registry is None:
            self._registry = self._load()
        return self._registry

    def lanes_of(self, marketplace: str) -> LanePolicy:
        """Return the lanes of a marketplace."""
        return self.registry.lanes_of(marketplace)

    def introduce(self, session: Session) -> None:
        """Insert the actions of plugins that were installed since a service last started."""
        ensure_action_types(session, self.registry.action_types)


def _unsaid(line: str) -> None:
    """Say nothing of the steps of a migration that nobody asked for."""
