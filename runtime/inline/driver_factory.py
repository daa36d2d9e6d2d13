"""Builds from the settings the driver that runs a job without a service."""

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from runtime.bridge.media_server import media_of
from runtime.handlers.registry import Registry
from runtime.http.attached_images import image_opener
from runtime.http.transport import HttpTransport
from runtime.inline.driver import InlineDriver
from runtime.marketplaces.credentials import Vault
from runtime.process.config import Settings, load_settings
from runtime.process.data_directory import encryption_keys, ensure_data_directory, token_secret
from runtime.products.media import Media
from runtime.shops.access_tokens import Authorizer
from runtime.shops.authorized_transport import AuthorizedTransport
from runtime.storage.server.engine import Database, database_beside

MARKER_DIRECTORY = "nodes"


def inline_driver(
    session: Session, registry: Registry, settings: Settings | None = None
) -> InlineDriver:
    """Return a driver on the session's database, with connections of its own.

    Args:
        settings: tell where keys and images lie; the default is read from the environment.

    Raises:
        ConfigurationError, DataDirectoryError
    """
    # The application knows its database and nothing of our keys and directories.
    settings = load_settings() if settings is None else settings
    database = database_beside(session, settings)
    media = media_of(settings, token_secret(settings), lambda: settings.bridge_port)[0]
    return InlineDriver(
        database,
        registry,
        _transport(settings, database, registry, media),
        media,
        ensure_data_directory(settings) / MARKER_DIRECTORY,
        settings.aging,
    )


def _transport(
    settings: Settings, database: Database, registry: Registry, media: Media
) -> AuthorizedTransport:
    marketplaces = registry.marketplaces
    authorizer = Authorizer(database, Vault(encryption_keys(settings)), lambda: datetime.now(UTC))
    return AuthorizedTransport(
        HttpTransport(marketplaces, image_opener(media)), authorizer, marketplaces
    )
