"""The credentials with which the runtime acts for a shop; they are stored encrypted."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from runtime.errors import CredentialsUnreadable

SHOP = "shop_id"
"""The field of the encrypted content that names the shop to which it belongs."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The tokens of one shop.

    Attributes:
        refresh_expires_at: the time when the refresh token expires; None if the marketplace does
            not say.
    """

    # Tokens are left out of the repr, which may reach a log.
    access_token: str = field(repr=False)
    access_expires_at: datetime
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_at: datetime | None = None


class Vault:
    """Encrypts credentials.

    Args:
        keys: the Fernet keys, the newest first. The newest key encrypts, and all keys decrypt, so
            that keys can be changed without losing what the former ones encrypted.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        # Fernet also signs: a secret that was changed in the database is refused, like one of a key
        # that is not known.
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def lock(self, credentials: Credentials, shop_id: int) -> str:
        """Return the encrypted credentials as text, which only this shop can use."""
        refresh_expires_at = credentials.refresh_expires_at
        return self._sealed(
            {
                "access_token": credentials.access_token,
                "access_expires_at": credentials.access_expires_at.isoformat(),
                "refresh_token": credentials.refresh_token,
                "refresh_expires_at": refresh_expires_at.isoformat()
                if refresh_expires_at
                else None,
            },
            shop_id,
        )

    def unlock(self, secret: str, shop_id: int) -> Credentials:
        """Return the decrypted credentials.

        Raises:
            CredentialsUnreadable: none of the keys fits, or they were encrypted for another shop.
        """
        content = self._opened(secret, shop_id)
        refresh_expires_at = content["refresh_expires_at"]
        return Credentials(
            content["access_token"],
            datetime.fromisoformat(content["access_expires_at"]),
            content["refresh_token"],
            datetime.fromisoformat(refresh_expires_at) if refresh_expires_at else None,
        )

    def rotated(self, secret: str, shop_id: int) -> str:
        """Return the same content, encrypted with the newest key and bound to the shop.

        Raises:
            CredentialsUnreadable: none of the keys fits, or they were encrypted for another shop.
        """
        return self._sealed(self._opened(secret, shop_id), shop_id)

    def _sealed(self, content: dict[str, Any], shop_id: int) -> str:
        # Who can write to the database could otherwise let one shop act with the access of another.
        bound = {**content, SHOP: shop_id}
        return self._fernet.encrypt(json.dumps(bound).encode()).decode()

    def _opened(self, secret: str, shop_id: int) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._fernet.decrypt(secret.encode()))
        except InvalidToken:
            raise CredentialsUnreadable(shop_id) from None
        # Earlier releases bound them to no shop; the next renewal or rotation does.
        if content.get(SHOP, shop_id) != shop_id:
            raise CredentialsUnreadable(shop_id, encrypted_for=content[SHOP])
        return content
