"""The settings that all marketplaces with an HTTP API share."""

from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.process.config import checked_base_url


class ApiSettings(BaseSettings):
    """The settings of one marketplace; a subclass names their prefix and the addresses.

        class ExampleSettings(ApiSettings):
            model_config = SettingsConfigDict(env_prefix="RUNTIME_EXAMPLE_")

            api_url: str = "https://api.example"
            auth_url: str = "https://example"

    Each field is an environment variable: ``api_url`` is ``RUNTIME_EXAMPLE_API_URL``. An empty
    variable counts as missing, and blanks around a value are removed.

    Attributes:
        api_url: the base URL of the API, or of a proxy or a test server in its place.
        auth_url: the base URL of the pages on which sellers consent.
    """

    model_config = SettingsConfigDict(
        # A key that was copied with a blank behind it would be refused, and nobody would see why.
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        str_strip_whitespace=True,
    )

    api_url: str
    auth_url: str

    @field_validator("api_url", "auth_url")
    @classmethod
    def _check(cls, value: str) -> str:
        return checked_base_url(value)
