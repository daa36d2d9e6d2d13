"""The settings of an operator for eBay."""

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from runtime import ApiSettings


class EbaySettings(ApiSettings):
    """Each field is an environment variable: ``api_url`` is ``RUNTIME_EBAY_API_URL``.

    Attributes:
        runame: the name under which eBay knows the address to which sellers are sent back.
    """

    model_config = SettingsConfigDict(env_prefix="RUNTIME_EBAY_")

    api_url: str = "https://api.ebay.com"
    auth_url: str = "https://auth.ebay.com"
    client_id: str | None = None
    client_secret: SecretStr | None = None
    runame: str | None = None
