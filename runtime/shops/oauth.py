"""OAuth 2: asks for a seller's consent, and trades codes and refresh tokens for access tokens.

This module stores nothing, and sends requests only to the token endpoint.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

import requests

from runtime.errors import ConfigurationError, ConsentDeclined, ConsentRefused, NotSent
from runtime.http.deadlines import deadline
from runtime.http.watched_adapter import WatchedAdapter, read_body
from runtime.marketplaces.credentials import Credentials
from runtime.marketplaces.record import OAuth2
from runtime.values.redaction import redacted
from runtime.values.sent_secrets import SentSecrets

TIMEOUT_SECONDS = (5.0, 15.0)
"""The time limits for connecting and for each read."""
PATIENCE = timedelta(seconds=20)
"""The time limit for the whole request; others wait for the lock of the shop's row meanwhile."""
MAX_BYTES = 100_000
# A token that were said to expire at once would be renewed before each call; a lifetime of a
# thousand years would not fit into a datetime.
SHORTEST_LIFETIME = timedelta(minutes=1)
ASSUMED_LIFETIME = timedelta(hours=1)
LONGEST_LIFETIME = timedelta(days=3_650)
EXCERPT = 300
GRANT_ENDED = frozenset({"invalid_grant"})
SECRET_FIELDS = frozenset({"code", "code_verifier", "refresh_token"})
"""The fields of a token request that no error may repeat."""


class GrantEnded(Exception):
    """The refresh token is not valid any more, so the seller has to consent again."""


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent that was asked for; with it the caller can tell a forged answer.

    Attributes:
        url: the address at which the seller consents.
        state: the random value that comes back with the answer.
        verifier: proves that the same party asks and trades the code (PKCE); None if not used.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    redirect_uri: str
    verifier: str | None = field(default=None, repr=False)


def ask_consent(auth: OAuth2, redirect_uri: str | None = None) -> Consent:
    """Make the address at which a seller consents.

    Args:
        redirect_uri: the address for the answer, unless the marketplace's record names one.

    Raises:
        ConfigurationError: the application's own credentials are not set.
    """
    # The state keeps a stranger from slipping a code of his own into the answer.
    state = secrets.token_urlsafe(32)
    redirect = auth.redirect_uri or redirect_uri
    if redirect is None:
        raise ConfigurationError(f"the redirect is not known: {auth.hint}")
    query = {
        "response_type": "code",
        "client_id": _client_id(auth),
        "redirect_uri": redirect,
        "scope": " ".join(auth.scopes),
        "state": state,
    }
    verifier = None
    # PKCE makes a stolen code worthless without the verifier, which never leaves this side before.
    if auth.pkce:
        verifier = secrets.token_urlsafe(64)
        digest = hashlib.sha256(verifier.encode()).digest()
        query["code_challenge"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        query["code_challenge_method"] = "S256"
    return Consent(f"{auth.authorize_url}?{urlencode(query)}", state, redirect, verifier)


def code_of(consent: Consent, redirected_to: str) -> str:
    """Return the code in the address to which the seller was sent back.

    Raises:
        ConsentDeclined: the seller declined.
        ConsentRefused: the address holds no answer to that consent.
    """
    _, _, query = redirected_to.partition("?")
    given = parse_qs(query.partition("#")[0])
    answer = {name: values[0] for name, values in given.items()}
    # The comparison takes the same time for every text, so that its duration reveals nothing.
    if not secrets.compare_digest(answer.get("state", "").encode(), consent.state.encode()):
        raise ConsentRefused(
            "the answer does not belong to this consent (its state differs): open the address "
            "that was printed last, and paste the whole address that you are sent to"
        )
    if "error" in answer:
        given_away = SentSecrets([consent.state, consent.verifier, answer.get("code")])
        reason = given_away.taken_out_of(answer.get("error_description") or answer["error"])
        raise ConsentDeclined(f"the consent was not given ({reason[:EXCERPT]}): ask again")
    if "code" not in answer:
        raise ConsentRefused("the answer holds no code: paste the whole address")
    return answer["code"]


def trade_code(auth: OAuth2, consent: Consent, code: str, now: datetime) -> Credentials:
    """Trade the code of a consent for tokens.

    Raises:
        ConsentRefused: the code is not valid, or has expired.
        NotSent: the marketplace could not be asked.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": consent.redirect_uri,
    }
    if consent.verifier is not None:
        form["code_verifier"] = consent.verifier
    try:
        return _tokens(auth, form, now)
    except GrantEnded as error:
        raise ConsentRefused(f"the code does not count ({error}): ask again") from None


def refresh(auth: OAuth2, credentials: Credentials, now: datetime) -> Credentials:
    """Trade the refresh token for a new access token.

    A new refresh token replaces the former one; if the answer has none, the former one stays.

    Raises:
        GrantEnded: the refresh token is not valid any more.
        NotSent: the marketplace could not be asked.
    """
    if credentials.refresh_token is None:
        raise GrantEnded("there is no refresh token")
    form = {"grant_type": "refresh_token", "refresh_token": credentials.refresh_token}
    renewed = _tokens(auth, form, now)
    if renewed.refresh_token is not None:
        return renewed
    return Credentials(
        renewed.access_token,
        renewed.access_expires_at,
        credentials.refresh_token,
        credentials.refresh_expires_at,
    )


def application_token(auth: OAuth2, now: datetime) -> Credentials:
    """Return a token of the application itself, for what belongs to no shop.

    Raises:
        NotSent: the marketplace could not be asked, or refuses the application's credentials.
    """
    form = {"grant_type": "client_credentials"}
    if auth.application_scopes:
        form["scope"] = " ".join(auth.application_scopes)
    try:
        return _tokens(auth, form, now)
    except GrantEnded as error:
        raise NotSent(f"no application token: {error}: {auth.hint}") from None


def _tokens(auth: OAuth2, form: dict[str, str], now: datetime) -> Credentials:
    client_id = _client_id(auth)
    basic = None
    # RFC 6749 prefers the secret in the header; a client without a secret names itself in the form.
    if auth.secret_in_header:
        if auth.client_secret is None:
            raise ConfigurationError(f"the client secret is not set: {auth.hint}")
        basic = (client_id, auth.client_secret)
    else:
        form = {**form, "client_id": client_id}
    status, body = _posted(auth.token_url, form, basic)
    content = _content(body)
    if status == requests.codes.ok and isinstance(content.get("access_token"), str):
        return _credentials(content, now)
    # Only an error is cleaned, because a new answer may give the same refresh token again.
    sent = _secrets_sent(form, basic)
    code = sent.taken_out_of(str(content.get("error", "")))[:EXCERPT]
    words = str(content.get("error_description") or code or status)
    # The secrets are taken out before the text is cut, because half of one is not recognised.
    described = redacted(sent.taken_out_of(words))[:EXCERPT]
    if code in GRANT_ENDED:
        raise GrantEnded(described)
    # Everything but invalid_grant may pass, so the seller is not asked to consent again because of
    # it.
    raise NotSent(
        f"{auth.token_url} gave no token ({status}: {described}); if it stays so: {auth.hint}",
        status=status,
        error_code=code or None,
    )


def _secrets_sent(form: dict[str, str], basic: tuple[str, str] | None) -> SentSecrets:
    values = [value for name, value in form.items() if name in SECRET_FIELDS]
    if basic is not None:
        values += [basic[1], base64.b64encode(":".join(basic).encode()).decode()]
    return SentSecrets(values)


def _posted(url: str, form: dict[str, str], basic: tuple[str, str] | None) -> tuple[int, bytes]:
    adapter = WatchedAdapter()
    try:
        with deadline(PATIENCE) as adapter.limit, requests.Session() as session:
            # Proxies and .netrc of this machine must not change who asks for a token.
            session.trust_env = False
            for scheme in ("http://", "https://"):
                session.mount(scheme, adapter)
            with session.post(
                url,
                data=form,
                auth=basic,
                timeout=TIMEOUT_SECONDS,
                # A redirect could carry the secret and the code to an address that nobody
                # configured.
                allow_redirects=False,
                stream=True,
                headers={"Accept": "application/json"},
            ) as answer:
                return answer.status_code, bytes(read_body(answer, bytearray(), MAX_BYTES))
    except requests.RequestException as error:
        # The words of the error may hold the URL with its query, and of a form nothing may be told.
        reason = type(error).__name__
        raise NotSent(f"{url} cannot be asked for a token ({reason})") from None


def _content(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _credentials(content: dict[str, Any], now: datetime) -> Credentials:
    lifetime = _lifetime(content.get("expires_in")) or ASSUMED_LIFETIME
    refresh_lifetime = _lifetime(content.get("refresh_token_expires_in"))
    refresh_token = content.get("refresh_token")
    return Credentials(
        content["access_token"],
        now + max(lifetime, SHORTEST_LIFETIME),
        refresh_token if isinstance(refresh_token, str) and refresh_token else None,
        now + refresh_lifetime if refresh_lifetime else None,
    )


def _lifetime(seconds: object) -> timedelta | None:
    try:
        lifetime = timedelta(seconds=int(seconds))  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return None
    return min(lifetime, LONGEST_LIFETIME) if lifetime > timedelta(0) else None


def _client_id(auth: OAuth2) -> str:
    if auth.client_id is None:
        raise ConfigurationError(f"the client id is not set: {auth.hint}")
    return auth.client_id
