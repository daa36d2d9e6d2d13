"""What an operator sets for Etsy."""

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime import checked_base_url


class EtsySettings(BaseSettings):
    """Each field is an environment variable: ``api_url`` is ``RUNTIME_ETSY_API_URL``.

    Attributes:
        api_url: another host than Etsy's: a proxy, a test server.
        auth_url: where sellers consent.
        keystring: the application's API key, which is its OAuth client id too.
    """

    model_config = SettingsConfigDict(
        env_prefix="RUNTIME_ETSY_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        str_strip_whitespace=True,
    )

    api_url: str = "https://api.etsy.com"
    auth_url: str = "https://www.etsy.com"
    keystring: str | None = None
    shared_secret: SecretStr | None = None

    @field_validator("api_url", "auth_url")
    @classmethod
    def _check(cls, value: str) -> str:
        return checked_base_url(value)
