"""The settings by which an operator connects the application with Etsy."""

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from runtime import ApiSettings


class EtsySettings(ApiSettings):
    """Each field is an environment variable: ``api_url`` is ``RUNTIME_ETSY_API_URL``.

    Attributes:
        keystring: the application's API key, which is also its OAuth client id.
    """

    model_config = SettingsConfigDict(env_prefix="RUNTIME_ETSY_")

    api_url: str = "https://api.etsy.com"
    auth_url: str = "https://www.etsy.com"
    keystring: str | None = None
    shared_secret: SecretStr | None = None
