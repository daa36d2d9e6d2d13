"""Encrypts the credentials of all shops anew, under the newest key."""

from collections.abc import Callable

from runtime.errors import CredentialsUnreadable
from runtime.marketplaces.credentials import Vault
from runtime.storage.selling.credential_rows import count_secrets, replace_secret, secrets_after
from runtime.storage.server.engine import Database

PORTION = 100


def rotate_keys(
    database: Database, vault: Vault, look: Callable[[int, int], None]
) -> tuple[int, tuple[int, ...]]:
    """Encrypt all credentials anew, in small transactions; it can be repeated at any time.

    Args:
        look: is called with the number of shops that are done, and the number of all.

    Returns:
        The number of shops whose credentials were encrypted anew, and the ids of the shops whose
        credentials no key decrypts; these are not changed.
    """
    with database.transaction("rotate_keys") as session:
        total = count_secrets(session)
    done, last = 0, 0
    unreadable: list[int] = []
    # Small transactions, because each locks its rows, and calls wait for the tokens in them.
    while True:
        with database.transaction("rotate_keys") as session:
            portion = secrets_after(session, last, PORTION)
            for shop_id, secret in portion:
                try:
                    replace_secret(session, shop_id, vault.rotated(secret, shop_id))
                # The others are rotated all the same: one row of a lost key must not keep an old
                # key in use.
                except CredentialsUnreadable:
                    unreadable.append(shop_id)
                last = shop_id
        done += len(portion)
        if not portion:
            return done - len(unreadable), tuple(unreadable)
        look(done, max(total, done))
