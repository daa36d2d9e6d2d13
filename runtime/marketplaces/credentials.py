"""What lets the runtime act for a shop, and how it is kept: encrypted at rest."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from runtime.errors import CredentialsUnreadable


@dataclass(frozen=True, slots=True)
class Credentials:
    """The tokens of one shop.

    Attributes:
        refresh_expires_at: None where the marketplace does not say.
    """

    access_token: str = field(repr=False)
    access_expires_at: datetime
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_at: datetime | None = None


class Vault:
    """Encrypts credentials.

    Args:
        keys: Fernet keys, the newest first: it encrypts, all of them decrypt.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def lock(self, credentials: Credentials) -> str:
        """Encrypt."""
        refresh_expires_at = credentials.refresh_expires_at
        content = {
            "access_token": credentials.access_token,
            "access_expires_at": credentials.access_expires_at.isoformat(),
            "refresh_token": credentials.refresh_token,
            "refresh_expires_at": refresh_expires_at.isoformat() if refresh_expires_at else None,
        }
        return self._fernet.encrypt(json.dumps(content).encode()).decode()

    def unlock(self, secret: str, shop_id: int) -> Credentials:
        """Decrypt.

        Raises:
            CredentialsUnreadable: none of the keys fits.
        """
        try:
            content = json.loads(self._fernet.decrypt(secret.encode()))
        except InvalidToken:
            raise CredentialsUnreadable(shop_id) from None
        refresh_expires_at = content["refresh_expires_at"]
        return Credentials(
            content["access_token"],
            datetime.fromisoformat(content["access_expires_at"]),
            content["refresh_token"],
            datetime.fromisoformat(refresh_expires_at) if refresh_expires_at else None,
        )

    def rotated(self, secret: str, shop_id: int) -> str:
        """The same content under the newest key.

        Raises:
            CredentialsUnreadable: none of the keys fits.
        """
        try:
            return self._fernet.rotate(secret.encode()).decode()
        except InvalidToken:
            raise CredentialsUnreadable(shop_id) from None
