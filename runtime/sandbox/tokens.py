"""The part of OAuth 2 that an authorization server keeps: consents, codes and tokens."""

import itertools
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

CODE_LIFETIME = timedelta(minutes=5)


class BadGrant(Exception):
    """A code or refresh token is unknown, used, expired, revoked or another client's."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The rights for which a code or token stands.

    Attributes:
        redirect_uri: the address with which the code must be redeemed.
        challenge: the S256 challenge of PKCE, if there was one.
    """

    expires_at: datetime
    scopes: frozenset[str]
    redirect_uri: str = ""
    challenge: str | None = None


class Tokens:
    """The consents, codes and tokens of one client and one seller.

    Args:
        access_lifetime, refresh_lifetime: the times for which tokens are valid.
        rotates: whether a refresh token can be used once only, and is replaced at each use.
        form: makes the text of a token from its kind (``access``, ``refresh``, ``code``) and an
            unguessable part.

    Attributes:
        refreshes: the number of refresh tokens that were redeemed.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        access_lifetime: timedelta,
        refresh_lifetime: timedelta,
        *,
        rotates: bool,
        form: Callable[[str, str], str],
    ) -> None:
        self.access_lifetime = access_lifetime
        self.refresh_lifetime = refresh_lifetime
        self.refreshes = 0
        self._now = now
        self._rotates = rotates
        self._form = form
        self._numbers = itertools.count(1)
        self._codes: dict[str, Grant] = {}
        self._access: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}

    def consent(
        self, scopes: Iterable[str], redirect_uri: str, challenge: str | None = None
    ) -> str:
        """Let the seller consent; returns the code that proves it."""
        return self._issue(
            "code",
            self._codes,
            Grant(self._now() + CODE_LIFETIME, frozenset(scopes), redirect_uri, challenge),
        )

    def redeem_code(
        self, code: str, redirect_uri: str, proves: Callable[[str], bool] = lambda _: True
    ) -> Grant:
        """Return the rights that a code stands for; a code can be redeemed once.

        Args:
            proves: tells whether the client has the verifier of which the challenge was made.

        Raises:
            BadGrant: the code is unknown or used, or its address or verifier does not fit.
        """
        # The code is gone even if the rest is wrong: it may have fallen into wrong hands.
        grant = self._codes.pop(code, None)
        if grant is None or grant.expires_at <= self._now() or grant.redirect_uri != redirect_uri:
            raise BadGrant
        if grant.challenge is not None and not proves(grant.challenge):
            raise BadGrant
        return grant

    def redeem_refresh(self, token: str) -> Grant:
        """Return the rights of a refresh token; if tokens rotate, it cannot be used again.

        Raises:
            BadGrant: there is no such token.
        """
        grant = self._refresh.get(token)
        if grant is None or grant.expires_at <= self._now():
            raise BadGrant
        if self._rotates:
            del self._refresh[token]
        self.refreshes += 1
        return grant

    def issue_access(self, scopes: Iterable[str]) -> str:
        """Make a new access token."""
        expires_at = self._now() + self.access_lifetime
        return self._issue("access", self._access, Grant(expires_at, frozenset(scopes)))

    def issue_refresh(self, scopes: Iterable[str]) -> str:
        """Make a new refresh token."""
        expires_at = self._now() + self.refresh_lifetime
        return self._issue("refresh", self._refresh, Grant(expires_at, frozenset(scopes)))

    def access(self, token: str) -> Grant | None:
        """Return the rights of an access token; None if it is not valid, or no longer."""
        grant = self._access.get(token)
        return grant if grant is not None and grant.expires_at > self._now() else None

    def expire_access(self) -> None:
        """End all access tokens, as time would; refresh tokens stay good."""
        for token, grant in self._access.items():
            self._access[token] = replace(grant, expires_at=self._now())

    def revoke(self) -> None:
        """Let the seller take the consent back, which ends every code and token."""
        self._codes.clear()
        self._access.clear()
        self._refresh.clear()

    def _issue(self, kind: str, kept: dict[str, Grant], grant: Grant) -> str:
        token = self._form(kind, f"{next(self._numbers)}{secrets.token_urlsafe(24)}")
        kept[token] = grant
        return token
