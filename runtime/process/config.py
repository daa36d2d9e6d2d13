"""Reads the settings from the environment (prefix ``RUNTIME_``)."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from runtime.errors import ConfigurationError

LONGEST_SECONDS = 86_400
_FROM_HERE = "Value error, "
"""pydantic puts these words before a message of ours."""
S = TypeVar("S", bound=BaseSettings)


class Settings(BaseSettings):
    """The settings of an operator.

    Every field is an environment variable: ``bridge_port`` is ``RUNTIME_BRIDGE_PORT``.
    Durations are in seconds. An empty variable counts as missing.
    """

    # Extra variables are ignored: plugins have settings of their own under the same prefix.
    model_config = SettingsConfigDict(
        env_prefix="RUNTIME_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    data_dir: Path = Path("data")
    database_url: SecretStr | None = None
    """The operator's server; by default an embedded PostgreSQL in the data directory."""
    database_direct_url: SecretStr | None = None
    """The server itself, if ``database_url`` is a transaction-pooling proxy."""

    bridge_host: str = "127.0.0.1"
    bridge_port: int = Field(8765, ge=0, le=65535)
    # NoDecode: pydantic would otherwise want JSON in the variable.
    bridge_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """The origins of pages that may connect, separated by commas; ``*`` allows all origins."""
    bridge_max_bytes: int = Field(10_000_000, ge=1_000)
    bridge_grace_seconds: float = Field(20, gt=0, le=LONGEST_SECONDS)

    media_dir: Path | None = None
    """The directory of product images; by default ``media`` in the data directory."""
    media_url: str | None = None
    """The base URL at which browsers fetch images; by default the bridge's host and port."""
    media_url_seconds: float = Field(3_600, gt=0, le=7 * LONGEST_SECONDS)
    """The time for which the URL of an image is valid."""

    token_secret: SecretStr | None = None
    """The secret that signs tokens; by default it is generated into the data directory."""
    token_algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"
    token_longest_days: float = Field(90, gt=0, le=36_500)
    """The time for which a token may be valid; one that expires later is refused."""
    encryption_keys: SecretStr | None = None
    """Fernet keys, the newest first, separated by commas; by default a key is generated."""

    drain_seconds: float = Field(25, ge=0, le=LONGEST_SECONDS)
    retention_days: float = Field(30, gt=0, le=36_500)
    """The time for which ended jobs are kept, with their journal."""
    poll_seconds: float = Field(5, gt=0, le=LONGEST_SECONDS)
    aging_seconds: float = Field(900, ge=1, le=LONGEST_SECONDS)
    """The time that a job waits until its urgency rises by one."""
    worker_threads: int = Field(8, ge=1)
    http_threads: int = Field(16, ge=1)
    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("bridge_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        if isinstance(value, str):
            # A browser names its origin without a slash at the end.
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @field_validator("bridge_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if origin != "*" and (not parts.scheme or not parts.netloc or parts.path):
                raise ValueError(f"{origin!r} is no origin such as https://shop.example")
        return value

    @field_validator("media_url")
    @classmethod
    def _check_media_url(cls, value: str | None) -> str | None:
        return None if value is None else checked_base_url(value)

    @property
    def media_url_lifetime(self) -> timedelta:
        """The time for which the URL of an image is valid."""
        return timedelta(seconds=self.media_url_seconds)

    @property
    def longest_token_lifetime(self) -> timedelta:
        """The time for which a token may be valid."""
        return timedelta(days=self.token_longest_days)

    @property
    def grace(self) -> timedelta:
        """The time in which a seller can reconnect."""
        return timedelta(seconds=self.bridge_grace_seconds)

    @property
    def poll_interval(self) -> timedelta:
        """The time between two polls, which a lost announcement costs at most."""
        return timedelta(seconds=self.poll_seconds)

    @property
    def aging(self) -> timedelta:
        """The time that a job waits until its urgency rises by one."""
        return timedelta(seconds=self.aging_seconds)

    @property
    def retention(self) -> timedelta:
        """The time for which ended jobs are kept."""
        return timedelta(days=self.retention_days)

    @property
    def drain_time(self) -> timedelta:
        """The time for which running jobs may go on when the service stops."""
        return timedelta(seconds=self.drain_seconds)


def checked_base_url(value: str) -> str:
    """Return an address to which paths are appended, without a slash at its end.

    Raises:
        ValueError: the text is no such address.
    """
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, half a pair of brackets
        usable = False
    # A user in the address would be sent along with every call; a query would end up in the middle.
    plain = value.isprintable() and not any(one in value for one in " @?#\\")
    if not usable or not plain:
        raise ValueError(f"{value!r} is no base URL such as https://host.example")
    return value.rstrip("/")


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        ConfigurationError: a variable cannot be used; the message names it.
    """
    return read_settings(Settings)


def read_settings(kind: type[S]) -> S:
    """Read the environment: the service's settings, or those of one marketplace.

    Raises:
        ConfigurationError: a variable cannot be used; the message names it.
    """
    try:
        return kind()
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        # The input is left out, because it may be a secret.
        told = error.errors(include_input=False, include_url=False)
        problems = "; ".join(
            f"{prefix}{'_'.join(str(part) for part in one['loc'][:1]).upper()}: "
            f"{one['msg'].removeprefix(_FROM_HERE)}"
            for one in told
        )
        raise ConfigurationError(f"cannot use the settings: {problems}") from None
