"""Gives out the access tokens of shops, and renews each before it expires."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from runtime.errors import DatabaseUnavailable, NotAuthorized
from runtime.marketplaces.credentials import Credentials, Vault
from runtime.marketplaces.record import OAuth2
from runtime.shops import oauth
from runtime.storage.selling import credential_rows as stored
from runtime.storage.server.engine import Database, database_errors

EARLY = timedelta(minutes=5)
"""A token that expires sooner is renewed before it is used."""
REMEMBERED = timedelta(minutes=1)
"""Credentials from the database are read again after this time, because another process may
disconnect the shop or connect it anew."""

STORE_PAUSES = (0.1, 0.3, 1.0, 3.0, 5.0)
"""The pauses in seconds between attempts to store renewed tokens; after them the call fails."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Renewal:
    """Former credentials, and those by which the marketplace replaced them."""

    former: Credentials
    renewed: Credentials


class Authorizer:
    """Gives every HTTP call the token that it needs; many threads may call it.

    A marketplace limits how often tokens are renewed, and may give a new refresh token each
    time, which ends the former one. So a single thread of all processes renews a shop's tokens
    while the others wait, and commits the new ones before it uses them. If the commit fails, the
    tokens stay in memory until it succeeds.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        now: Callable[[], datetime],
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._vault = vault
        self._now = now
        self._wait = wait
        # Renewals whose COMMIT failed. They may be the only valid tokens of a shop, so only a
        # commit or a new consent removes them.
        self._unstored: dict[int, _Renewal] = {}
        self._known: dict[int, tuple[Credentials, datetime]] = {}
        self._applications: dict[str, Credentials] = {}
        self._locks: dict[int | str, threading.Lock] = {}
        # Locks for each shop are made when they are first needed, by threads that may come
        # together.
        self._locks_lock = threading.Lock()

    def shop_token(self, marketplace: str, auth: OAuth2, shop_id: int, refused: str | None) -> str:
        """Return an access token for the shop.

        Args:
            refused: a token that the marketplace has just refused, so that it is not valid.

        Raises:
            NotAuthorized: the seller has to consent again.
            NotSent: the marketplace could not be asked for a new token.
            DatabaseUnavailable
        """
        known = self._remembered(shop_id, refused)
        if known is None:
            # The lock comes first, and then a second look: of many threads that find no token, one
            # renews it, and the others use the result.
            with self._lock(shop_id):
                known = self._remembered(shop_id, refused)
                if known is None:
                    known = self._loaded(marketplace, auth, shop_id, refused)
                    self._known[shop_id] = (known, self._now() + REMEMBERED)
        return known.access_token

    def application_token(self, marketplace: str, auth: OAuth2, refused: str | None) -> str:
        """Return an access token of the application itself.

        Raises:
            NotSent: the marketplace gave none.
        """
        # The token of an application belongs to no row, so each process has its own.
        with self._lock(marketplace):
            known = self._applications.get(marketplace)
            if known is None or not self._is_good(known, refused):
                known = oauth.application_token(auth, self._now())
                self._applications[marketplace] = known
            return known.access_token

    def _remembered(self, shop_id: int, refused: str | None) -> Credentials | None:
        known, until = self._known.get(shop_id, (None, None))
        if known is None or until is None or self._now() >= until:
            return None
        return known if self._is_good(known, refused) else None

    def _loaded(
        self, marketplace: str, auth: OAuth2, shop_id: int, refused: str | None
    ) -> Credentials:
        # The stored token is good most of the time, so it is first read without a lock.
        with database_errors(), self._database.session() as session:
            secret = stored.load_secret(session, shop_id)
        credentials = self._unlocked(marketplace, shop_id, secret)
        if self._is_good(credentials, refused):
            return credentials
        return self._renewed(marketplace, auth, shop_id, refused)

    def _renewed(
        self, marketplace: str, auth: OAuth2, shop_id: int, refused: str | None
    ) -> Credentials:
        """Renew the tokens; if the COMMIT fails, repeat the COMMIT and not the renewal."""
        for pause in STORE_PAUSES:
            try:
                return self._renewed_and_stored(marketplace, auth, shop_id, refused)
            except DatabaseUnavailable as error:
                # Only a COMMIT is repeated. If no new token is in memory, nothing was renewed, and
                # the call may fail: its job comes again when the database is back.
                if shop_id not in self._unstored:
                    raise
                log.warning("renewed tokens are not stored yet", shop_id=shop_id, reason=str(error))
                self._wait(pause)
        return self._renewed_and_stored(marketplace, auth, shop_id, refused)

    def _renewed_and_stored(
        self, marketplace: str, auth: OAuth2, shop_id: int, refused: str | None
    ) -> Credentials:
        with self._database.transaction("renew_tokens") as session:
            # The secret is read again, now with the row locked: the thread's lock keeps out only
            # the threads of this process, and a refresh token that two processes used could end the
            # access.
            secret = stored.load_secret_to_change(session, shop_id)
            credentials = self._unlocked(marketplace, shop_id, secret)
            renewed = self._renewal_of(shop_id, credentials)
            if renewed is None:
                # Another process may have renewed the tokens while this one waited for the row.
                if self._is_good(credentials, refused):
                    return credentials
                try:
                    renewed = oauth.refresh(auth, credentials, self._now())
                except oauth.GrantEnded as error:
                    raise NotAuthorized(shop_id, marketplace, str(error)) from None
                # The former refresh token may be void by now, so these outlive a failed COMMIT.
                self._unstored[shop_id] = _Renewal(credentials, renewed)
            stored.store_secret(
                session,
                shop_id,
                self._vault.lock(renewed, shop_id),
                renewed.access_expires_at,
                renewed.refresh_expires_at,
            )
        self._unstored.pop(shop_id, None)
        log.info("tokens renewed", shop_id=shop_id, marketplace=marketplace)
        return renewed

    def _renewal_of(self, shop_id: int, credentials: Credentials) -> Credentials | None:
        """Return the renewal of these credentials that could not be stored before."""
        known = self._unstored.get(shop_id)
        if known is None or known.former != credentials:
            # The renewal was stored after all, or the seller consented anew.
            self._unstored.pop(shop_id, None)
            return None
        return known.renewed

    def _unlocked(self, marketplace: str, shop_id: int, secret: str | None) -> Credentials:
        if secret is None:
            raise NotAuthorized(shop_id, marketplace, "it was never connected")
        return self._vault.unlock(secret, shop_id)

    def _is_good(self, credentials: Credentials, refused: str | None) -> bool:
        ends = credentials.access_expires_at
        # A marketplace may end a token before its time: only the one that was refused tells that.
        return credentials.access_token != refused and self._now() + EARLY < ends

    def _lock(self, key: int | str) -> threading.Lock:
        with self._locks_lock:
            return self._locks.setdefault(key, threading.Lock())


def authorization(auth: OAuth2, token: str) -> Mapping[str, str]:
    """Return the header that carries the token."""
    return {"Authorization": f"{auth.token_prefix} {token}"}
