"""What an operator sets for eBay."""

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime import checked_base_url


class EbaySettings(BaseSettings):
    """Each field is an environment variable: ``api_url`` is ``RUNTIME_EBAY_API_URL``.

    Attributes:
        api_url: another host than eBay's: its sandbox, a proxy, a test server.
        auth_url: where sellers consent.
        runame: by what name eBay knows the address to which sellers are sent back.
    """

    model_config = SettingsConfigDict(
        env_prefix="RUNTIME_EBAY_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        str_strip_whitespace=True,
    )

    api_url: str = "https://api.ebay.com"
    auth_url: str = "https://auth.ebay.com"
    client_id: str | None = None
    client_secret: SecretStr | None = None
    runame: str | None = None

    @field_validator("api_url", "auth_url")
    @classmethod
    def _check(cls, value: str) -> str:
        return checked_base_url(value)
