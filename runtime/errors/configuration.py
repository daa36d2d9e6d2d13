"""Errors of the installation: settings, data directory, port, database and keys."""

from runtime.errors.program import PROGRAM
from runtime.errors.root import MarketplaceRuntimeError


class ConfigurationError(MarketplaceRuntimeError):
    """The service cannot start, or go on, as it is set up."""


class DataDirectoryError(ConfigurationError):
    """The data directory cannot be used."""


class PortInUse(ConfigurationError):
    """Another process listens where the bridge should."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"port {port} on {host} is already taken: stop the program that listens there, "
            "or set RUNTIME_BRIDGE_PORT to a free one"
        )


class DatabaseUnavailable(ConfigurationError):
    """PostgreSQL cannot be reached, or went away."""


class DatabaseNotMigrated(ConfigurationError):
    """The tables are missing, or belong to another version."""


class DatabaseConflict(ConfigurationError):
    """The database holds a foreign object under a name that this project uses."""


class LockHeld(DatabaseUnavailable):
    """Another transaction locks a row that was to be changed; nothing was changed."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(
            f"{what} is locked by another transaction for more than {seconds:g} s: "
            "end that transaction, then try again"
        )


class CredentialsUnreadable(ConfigurationError):
    """No key decrypts a shop's credentials, or they were encrypted for another shop."""

    def __init__(self, shop_id: int, encrypted_for: int | None = None) -> None:
        way_out = f"connect the shop again (`{PROGRAM} shops connect`)"
        super().__init__(
            f"the credentials of shop {shop_id} cannot be decrypted: put the key that encrypted "
            f"them back into RUNTIME_ENCRYPTION_KEYS, or {way_out}"
            if encrypted_for is None
            else f"the credentials of shop {shop_id} were encrypted for shop {encrypted_for}, so "
            f"that their row was changed from outside: {way_out}"
        )
