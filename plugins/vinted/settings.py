"""The settings of an operator for Vinted."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class VintedSettings(BaseSettings):
    """Each field is an environment variable: ``call_seconds`` is ``RUNTIME_VINTED_CALL_SECONDS``.

    Attributes:
        call_seconds: the least time between two calls of one shop.
        jitter_seconds: the longest time that is added to this, drawn anew for each call.
    """

    model_config = SettingsConfigDict(
        env_prefix="RUNTIME_VINTED_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    # Vinted publishes no limits; a person who lists by hand is not faster than this.
    call_seconds: float = Field(1, ge=0.1, le=60)
    jitter_seconds: float = Field(1, ge=0, le=60)

    @property
    def call_time(self) -> timedelta:
        """The least time between two calls of one shop."""
        return timedelta(seconds=self.call_seconds)

    @property
    def jitter(self) -> timedelta:
        """The longest time that is added to this."""
        return timedelta(seconds=self.jitter_seconds)
