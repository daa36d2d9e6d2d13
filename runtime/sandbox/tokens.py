"""OAuth 2 as an authorization server keeps it: consents, codes and tokens."""

import itertools
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

CODE_LIFETIME = timedelta(minutes=5)


class BadGrant(Exception):
    """A code or refresh token that is unknown, used, expired, revoked or another client's."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a code or token stands for.

    Attributes:
        redirect_uri: what the code must be redeemed with.
        challenge: the S256 challenge of PKCE, if there was one.
    """

    expires_at: datetime
    scopes: frozenset[str]
    redirect_uri: str = ""
    challenge: str | None = None


class Tokens:
    """What was consented to and issued; all of one client and one seller.

    Args:
        access_lifetime, refresh_lifetime: how long tokens are good for.
        rotates: a refresh token can be used once, and is replaced by the one it brings.
        form: what tokens look like: makes one of a kind (``access``, ``refresh``, ``code``)
            and something unguessable.

    Attributes:
        refreshes: how many refresh tokens were redeemed.
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
        """The seller agrees; returns the code that shows it."""
        return self._issue(
            "code",
            self._codes,
            Grant(self._now() + CODE_LIFETIME, frozenset(scopes), redirect_uri, challenge),
        )

    def redeem_code(
        self, code: str, redirect_uri: str, proves: Callable[[str], bool] = lambda _: True
    ) -> Grant:
        """What was consented to; a code is good once.

        Args:
            proves: whether the client has what the challenge was made of.

        Raises:
            BadGrant: no such code, or not with this.
        """
        grant = self._codes.pop(code, None)
        if grant is None or grant.expires_at <= self._now() or grant.redirect_uri != redirect_uri:
            raise BadGrant
        if grant.challenge is not None and not proves(grant.challenge):
            raise BadGrant
        return grant

    def redeem_refresh(self, token: str) -> Grant:
        """What a refresh token stands for; where they rotate it is dead from now on.

        Raises:
            BadGrant: no such token.
        """
        grant = self._refresh.get(token)
        if grant is None or grant.expires_at <= self._now():
            raise BadGrant
        if self._rotates:
            del self._refresh[token]
        self.refreshes += 1
        return grant

    def issue_access(self, scopes: Iterable[str]) -> str:
        """A new access token."""
        expires_at = self._now() + self.access_lifetime
        return self._issue("access", self._access, Grant(expires_at, frozenset(scopes)))

    def issue_refresh(self, scopes: Iterable[str]) -> str:
        """A new refresh token."""
        expires_at = self._now() + self.refresh_lifetime
        return self._issue("refresh", self._refresh, Grant(expires_at, frozenset(scopes)))

    def access(self, token: str) -> Grant | None:
        """What an access token allows; None where it is not good, or no longer."""
        grant = self._access.get(token)
        return grant if grant is not None and grant.expires_at > self._now() else None

    def expire_access(self) -> None:
        """End all access tokens, as time would; refresh tokens stay good."""
        for token, grant in self._access.items():
            self._access[token] = replace(grant, expires_at=self._now())

    def revoke(self) -> None:
        """The seller takes the consent back: every code and token is dead."""
        self._codes.clear()
        self._access.clear()
        self._refresh.clear()

    def _issue(self, kind: str, kept: dict[str, Grant], grant: Grant) -> str:
        token = self._form(kind, f"{next(self._numbers)}{secrets.token_urlsafe(24)}")
        kept[token] = grant
        return token
