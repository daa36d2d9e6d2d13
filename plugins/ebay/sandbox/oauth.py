"""eBay's OAuth 2: consent by a seller, and the token endpoint with its three grants."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlencode

from plugins.ebay.sandbox.state import Record
from runtime.sandbox import Answer, BadGrant, Call, Tokens

ROOT = "https://api.ebay.com/oauth/api_scope"
INVENTORY = f"{ROOT}/sell.inventory"
INVENTORY_READ = f"{INVENTORY}.readonly"
FULFILLMENT = f"{ROOT}/sell.fulfillment"
FULFILLMENT_READ = f"{FULFILLMENT}.readonly"
ACCOUNT = f"{ROOT}/sell.account"
ACCOUNT_READ = f"{ACCOUNT}.readonly"
SCOPES = frozenset(
    {ROOT, INVENTORY, INVENTORY_READ, FULFILLMENT, FULFILLMENT_READ, ACCOUNT, ACCOUNT_READ}
)
ACCESS_LIFETIME = timedelta(seconds=7_200)
REFRESH_LIFETIME = timedelta(days=547)
APPLICATION = "application"


class EbayOAuth:
    """The consent page and the token endpoint of one application.

    Attributes:
        redirect_url: the address for which the RuName stands, and to which browsers are sent.
        declines: whether the seller says no.
    """

    def __init__(
        self, client_id: str, client_secret: str, runame: str, now: Callable[[], datetime]
    ) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.runame = runame
        self.redirect_url = "http://127.0.0.1/"
        self.declines = False
        # Real tokens hold characters that a form and an address must encode.
        self.tokens = Tokens(
            now,
            ACCESS_LIFETIME,
            REFRESH_LIFETIME,
            rotates=False,
            form=lambda kind, secret: f"v^1.1#i^1#{kind}^{secret}+/==",
        )

    def authorize(self, call: Call) -> Answer:
        """Answer as the consent page: the seller agrees at once and is sent back with a code."""
        query = dict(call.request.query_pairs())
        scopes = frozenset(query.get("scope", "").split())
        # The parameter is called redirect_uri, but eBay wants the RuName in it and no address.
        if query.get("client_id") != self.client_id or query.get("redirect_uri") != self.runame:
            return _error(400, "unauthorized_client", "The client or its RuName is unknown.")
        if query.get("response_type") != "code" or not scopes or not scopes <= SCOPES:
            return _error(400, "invalid_scope", "The requested scope is invalid or unknown.")
        back = {"state": query["state"]} if "state" in query else {}
        if self.declines:
            back["error"] = "access_denied"
        else:
            back |= {"code": self.tokens.consent(scopes, self.runame), "expires_in": "299"}
        return Answer(302, None, {"Location": f"{self.redirect_url}?{urlencode(back)}"})

    def token(self, call: Call) -> Answer:
        """Answer as the token endpoint, which takes Basic authentication and a form."""
        basic = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        if call.request.headers.get("authorization") != f"Basic {basic}":
            return _error(401, "invalid_client", "client authentication failed")
        if call.request.content_type != "application/x-www-form-urlencoded":
            return _error(400, "invalid_request", "the body must be a form")
        form = dict(call.request.form_pairs())
        match form.get("grant_type"):
            case "authorization_code":
                return self._by_code(form)
            case "refresh_token":
                return self._by_refresh(form)
            case "client_credentials":
                return self._by_client(form)
        return _error(400, "unsupported_grant_type", "grant type in request is not supported")

    def connect(self) -> Record:
        """Return the answer to a redeemed code, without a browser."""
        return self._issued(SCOPES, self.tokens.issue_refresh(SCOPES))

    def _by_code(self, form: dict[str, str]) -> Answer:
        try:
            grant = self.tokens.redeem_code(form.get("code", ""), form.get("redirect_uri", ""))
        except BadGrant:
            return _bad_grant("authorization grant code")
        return Answer(200, self._issued(grant.scopes, self.tokens.issue_refresh(grant.scopes)))

    def _by_refresh(self, form: dict[str, str]) -> Answer:
        try:
            grant = self.tokens.redeem_refresh(form.get("refresh_token", ""))
        except BadGrant:
            return _bad_grant("authorization refresh token")
        # A refresh may narrow the scopes that were consented to, and never widen them.
        wanted = frozenset(form.get("scope", "").split()) or grant.scopes
        if not wanted <= grant.scopes:
            return _error(
                400, "invalid_scope", "The requested scope exceeds the scope granted to the client."
            )
        # The answer has no refresh token: the old one stays good, and a client that throws it away
        # has to ask for a new consent.
        return Answer(200, self._issued(wanted))

    def _by_client(self, form: dict[str, str]) -> Answer:
        if form.get("scope", "").split() != [ROOT]:
            return _error(400, "invalid_scope", "The requested scope is invalid or unknown.")
        token = self.tokens.issue_access({APPLICATION, ROOT})
        return Answer(200, _bearer(token, "Application Access Token"))

    def _issued(self, scopes: frozenset[str], refresh_token: str | None = None) -> Record:
        # A seller's token opens nothing that wants the application's own.
        body = _bearer(self.tokens.issue_access(scopes), "User Access Token")
        if refresh_token is not None:
            lifetime = int(self.tokens.refresh_lifetime.total_seconds())
            body |= {"refresh_token": refresh_token, "refresh_token_expires_in": lifetime}
        return body


def bearer_of(call: Call) -> str | None:
    """Return the token in a request's Authorization header."""
    scheme, _, token = call.request.headers.get("authorization", "").partition(" ")
    return token if scheme == "Bearer" and token else None


def _bearer(token: str, token_type: str) -> Record:
    lifetime = int(ACCESS_LIFETIME.total_seconds())
    return {"access_token": token, "expires_in": lifetime, "token_type": token_type}


def _bad_grant(what: str) -> Answer:
    description = f"the provided {what} is invalid or was issued to another client"
    return _error(400, "invalid_grant", description)


def _error(status: int, error: str, description: str) -> Answer:
    return Answer(status, {"error": error, "error_description": description})
