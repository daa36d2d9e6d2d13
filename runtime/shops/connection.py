"""Connects a shop, by a seller's consent or by tokens that the operator has already.

The command line and a web back end use it in the same way::

    consent = ask_consent(marketplace.auth, redirect_uri)      # keep it with the seller's session
    credentials = trade_code(marketplace.auth, consent, code_of(consent, address), now)
    shop = connect_shop(session, vault, marketplace, user_id, external_id, credentials)
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from runtime.errors import ConsentRefused, InputError, ShopNotFound
from runtime.errors.program import PROGRAM
from runtime.http.transport import HttpTransport
from runtime.marketplaces.credentials import Credentials, Vault
from runtime.marketplaces.record import Marketplace, OAuth2
from runtime.rate_limits.closures import ClosureKind, Level, Scope
from runtime.runs.calls import Failure, HttpCall
from runtime.shops import oauth
from runtime.shops.access_tokens import authorization
from runtime.shops.choice import check_marketplace
from runtime.storage.models import Shop
from runtime.storage.queue.closure_rows import open_scopes
from runtime.storage.selling.credential_rows import forget_secret, store_secret
from runtime.storage.selling.shop_rows import insert_shop, shop_by_external_id, shop_by_id
from runtime.storage.server.locks import again_and_again
from runtime.values.arguments import checked_id, checked_text

IDENTIFICATION_TIMEOUT = timedelta(seconds=20)


def auth_of(marketplace: Marketplace) -> OAuth2:
    """Return how the marketplace's shops are connected.

    Raises:
        InputError: its shops are not connected, because its calls need no consent.
    """
    if marketplace.auth is None:
        raise InputError(
            f"shops on {marketplace.name} are not connected with OAuth: add them with "
            f"`{PROGRAM} shops add {marketplace.name}`"
        )
    return marketplace.auth


def credentials_from_refresh_token(auth: OAuth2, refresh_token: str, now: datetime) -> Credentials:
    """Make credentials from a refresh token that somebody else obtained.

    Raises:
        ConsentRefused: the refresh token is not valid.
        NotSent: the marketplace could not be asked.
    """
    # An access token that has expired already is renewed at once.
    given = Credentials("", now, refresh_token)
    try:
        return oauth.refresh(auth, given, now)
    except oauth.GrantEnded as error:
        raise ConsentRefused(f"the refresh token does not count ({error})") from None


def identified(marketplace: Marketplace, credentials: Credentials) -> tuple[str, str | None] | None:
    """Return the id and the name of the account to which the credentials belong.

    It is None if the marketplace has no operation that tells it.

    Raises:
        CallFailed: the marketplace did not say.
        ConsentRefused: its answer names no account.
    """
    asked = marketplace.identification
    if asked is None:
        return None
    headers = dict(authorization(auth_of(marketplace), credentials.access_token))
    call = HttpCall("GET", asked.path, headers=headers)
    transport = HttpTransport({marketplace.name: marketplace})
    outcome = transport.perform(marketplace.name, call, IDENTIFICATION_TIMEOUT)
    if isinstance(outcome, Failure):
        raise outcome.error
    try:
        # A function of a plugin reads the answer; any of these errors means that the answer has
        # another shape, and no account is better than a wrong one.
        return asked.read(outcome.value)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ConsentRefused(
            f"{marketplace.name} does not say which account consented: it has no shop"
        ) from None


def check_owner(session: Session, marketplace: Marketplace, user_id: int, external_id: str) -> None:
    """Check that an account is no other seller's, before a code is spent that is valid only once.

    Raises:
        InputError
    """
    checked_text(external_id, "external_id")
    shop = shop_by_external_id(session, marketplace.name, external_id)
    if shop is not None and shop.user_id != user_id:
        raise _of_another(shop)


def connect_shop(
    session: Session,
    vault: Vault,
    marketplace: Marketplace,
    user_id: int,
    external_id: str,
    credentials: Credentials,
    name: str | None = None,
) -> Shop:
    """Add the shop if it is missing, and store its credentials; the caller commits.

    Jobs of the shop that waited for a consent go on.

    Raises:
        InputError: the account belongs to another user.
    """
    check_marketplace(session, marketplace.name)
    checked_id(user_id, "user_id")
    checked_text(external_id, "external_id")
    shop = insert_shop(session, marketplace.name, user_id, external_id, name)
    if shop.user_id != user_id:
        raise _of_another(shop)
    _keep(session, vault, shop.id, credentials)
    closed = [(Scope(marketplace.name, Level.SHOP, shop.id), ClosureKind.NEEDS_AUTH)]
    # Only the closure for a missing consent is opened: a pause by an operator stays.
    again_and_again(session, f"what closes shop {shop.id}", lambda: open_scopes(session, closed))
    return shop


def disconnect_shop(session: Session, shop_id: int) -> Shop:
    """Remove the shop's credentials, so that its jobs wait; the caller commits.

    Raises:
        ShopNotFound
    """
    shop = shop_by_id(session, shop_id)
    if shop is None:
        raise ShopNotFound(
            f"shop {shop_id} does not exist; `{PROGRAM} shops list` shows those that do"
        )
    # Jobs are left alone: their next call finds no consent, and then they wait for one.
    forget_secret(session, shop_id)
    return shop


def _of_another(shop: Shop) -> InputError:
    return InputError(
        f"the {shop.marketplace} account {shop.external_id!r} is shop {shop.id} of user "
        f"{shop.user_id} already"
    )


def _keep(session: Session, vault: Vault, shop_id: int, credentials: Credentials) -> None:
    store_secret(
        session,
        shop_id,
        vault.lock(credentials, shop_id),
        credentials.access_expires_at,
        credentials.refresh_expires_at,
    )
