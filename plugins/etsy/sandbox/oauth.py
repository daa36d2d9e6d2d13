"""Etsy's OAuth 2: consent with PKCE, and refresh tokens that rotate."""

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlencode

from plugins.etsy.sandbox.errors import described, refused
from plugins.etsy.sandbox.request_reader import form_of
from plugins.etsy.sandbox.state import USER_ID, Record
from runtime.sandbox import Answer, BadGrant, Call, Refused, Tokens

SCOPES = frozenset(
    {
        "address_r", "address_w", "email_r", "listings_d", "listings_r", "listings_w",
        "profile_r", "profile_w", "shops_r", "shops_w", "transactions_r", "transactions_w",
    }
)  # fmt: skip
ACCESS_LIFETIME = timedelta(seconds=3_600)
REFRESH_LIFETIME = timedelta(days=90)
SHORTEST_VERIFIER = 43


class EtsyOAuth:
    """The consent page, the token endpoint, and the check of keys and tokens.

    Attributes:
        redirect_urls: the addresses to which a seller's browser may be sent; any if there are none.
        declines: whether the seller says no.
    """

    def __init__(self, keystring: str, shared_secret: str, now: Callable[[], datetime]) -> None:
        self.keystring = keystring
        self.shared_secret = shared_secret
        self.redirect_urls: set[str] = set()
        self.declines = False
        self.tokens = Tokens(
            now,
            ACCESS_LIFETIME,
            REFRESH_LIFETIME,
            # A refresh token can be used once: two refreshes at the same time, or an answer that
            # got lost, leave a client without access, as on Etsy.
            rotates=True,
            # Etsy's tokens begin with the id of the user.
            form=lambda kind, secret: secret if kind == "code" else f"{USER_ID}.{secret}",
        )

    def authorize(self, call: Call) -> Answer:
        """Answer as the consent page: the seller agrees at once and is sent back with a code."""
        query = dict(call.request.query_pairs())
        scopes = frozenset(query.get("scope", "").split())
        redirect = query.get("redirect_uri", "")
        if query.get("client_id") != self.keystring or query.get("response_type") != "code":
            return described(400, "invalid_request", "unknown client_id or response_type")
        if not redirect or (self.redirect_urls and redirect not in self.redirect_urls):
            return described(400, "invalid_request", "the redirect_uri is not registered")
        if not query.get("state") or query.get("code_challenge_method") != "S256":
            return described(
                400, "invalid_request", "state and an S256 code_challenge are required"
            )
        if not query.get("code_challenge") or not scopes or not scopes <= SCOPES:
            return described(400, "invalid_scope", "code_challenge or scope is missing or unknown")
        back = {"state": query["state"]}
        if self.declines:
            back |= {"error": "access_denied", "error_description": "The user denied access"}
        else:
            back["code"] = self.tokens.consent(scopes, redirect, query["code_challenge"])
        return Answer(302, None, {"Location": f"{redirect}?{urlencode(back)}"})

    def token(self, call: Call) -> Answer:
        """Answer as the token endpoint, which takes a form without the shared secret."""
        try:
            form = form_of(call.request)
        except Refused:
            return described(400, "invalid_request", "the body must be a form")
        if form.get("client_id") != self.keystring:
            return described(401, "invalid_client", "client_id is unknown")
        match form.get("grant_type"):
            case "authorization_code":
                return self._by_code(form)
            case "refresh_token":
                return self._by_refresh(form)
        return described(400, "unsupported_grant_type", "grant_type is not supported")

    def connect(self) -> Record:
        """Return the answer to a redeemed code, without a browser."""
        return self._issued(SCOPES)

    def check_key(self, call: Call) -> None:
        """Check ``x-api-key: keystring:shared_secret``.

        Raises:
            Refused: 401 for an unknown key, 403 for a missing or wrong secret.
        """
        keystring, _, secret = call.request.headers.get("x-api-key", "").partition(":")
        if keystring != self.keystring:
            raise refused(401, "Missing or invalid API key")
        # A missing secret is a 403 and not a 401: the key is known, but it is no proof by itself.
        if secret != self.shared_secret:
            raise refused(403, "Shared secret is required in x-api-key header")

    def check_token(self, call: Call, scopes: frozenset[str]) -> None:
        """Check ``Authorization: Bearer <user id>.<token>`` and its scopes.

        Raises:
            Refused: 401 for the token, 403 for a scope.
        """
        scheme, _, token = call.request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token.startswith(f"{USER_ID}."):
            raise Refused(described(401, "invalid_token", "access token is missing or malformed"))
        grant = self.tokens.access(token)
        if grant is None:
            raise Refused(described(401, "invalid_token", "access token is expired or revoked"))
        if not scopes <= grant.scopes:
            missing = ", ".join(sorted(scopes - grant.scopes))
            raise Refused(described(403, "insufficient_scope", f"the token lacks {missing}"))

    def _by_code(self, form: dict[str, str]) -> Answer:
        verifier = form.get("code_verifier", "")

        def proves(challenge: str) -> bool:
            digest = hashlib.sha256(verifier.encode()).digest()
            made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            # PKCE (RFC 7636) wants verifiers of at least 43 characters.
            return len(verifier) >= SHORTEST_VERIFIER and made == challenge

        try:
            grant = self.tokens.redeem_code(
                form.get("code", ""), form.get("redirect_uri", ""), proves
            )
        except BadGrant:
            return described(400, "invalid_grant", "code is invalid, used or not verified")
        return Answer(200, self._issued(grant.scopes))

    def _by_refresh(self, form: dict[str, str]) -> Answer:
        try:
            grant = self.tokens.redeem_refresh(form.get("refresh_token", ""))
        except BadGrant:
            return described(400, "invalid_grant", "refresh_token is invalid, used or revoked")
        return Answer(200, self._issued(grant.scopes))

    def _issued(self, scopes: frozenset[str]) -> Record:
        return {
            "access_token": self.tokens.issue_access(scopes),
            "token_type": "Bearer",
            "expires_in": int(ACCESS_LIFETIME.total_seconds()),
            "refresh_token": self.tokens.issue_refresh(scopes),
        }
