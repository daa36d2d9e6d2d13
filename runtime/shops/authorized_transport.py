"""Sends HTTP calls in the name of a shop, and repeats a call whose token was refused."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import structlog

from runtime.errors import (
    CallRejected,
    DatabaseUnavailable,
    HeldUp,
    MarketplaceRuntimeError,
    NotSent,
)
from runtime.http.transport import HttpTransport
from runtime.marketplaces.record import Marketplace, OAuth2
from runtime.runs.calls import Authorization, Failure, HttpCall, Outcome
from runtime.shops.access_tokens import Authorizer, authorization

UNAUTHORIZED = 401

log = structlog.get_logger(__name__)


class AuthorizedTransport:
    """Carries out calls for shops.

    Args:
        marketplaces: the records, which say how calls are authorized.
    """

    def __init__(
        self,
        transport: HttpTransport,
        authorizer: Authorizer,
        marketplaces: Mapping[str, Marketplace],
    ) -> None:
        self._transport = transport
        self._authorizer = authorizer
        self._marketplaces = marketplaces

    def perform(
        self,
        marketplace: str,
        shop_id: int,
        call: HttpCall,
        timeout: timedelta,
        may_leave: Callable[[], bool],
    ) -> Outcome:
        """Send the call; see :meth:`HttpTransport.perform`.

        A call with a refused token surely had no effect, so it is sent once more with another
        token.
        """
        known = self._marketplaces.get(marketplace)
        auth = known.auth if known is not None else None
        if auth is None or call.authorization is Authorization.NONE:
            return self._transport.perform(marketplace, call, timeout, may_leave)
        token: str | None = None
        # Two attempts: if a new token is refused, too, its age was not the reason.
        for _ in range(2):
            try:
                token = self._token(marketplace, auth, shop_id, call, token)
            except NotSent as error:
                return Failure(error)
            except DatabaseUnavailable as error:
                # An outage of our own database says nothing of the call, so it uses up no attempt
                # and asks nobody, also where the call was a look.
                return Failure(HeldUp(f"{call.method} {call.path} has no token yet: {error}"))
            except MarketplaceRuntimeError as error:
                return Failure(_not_sent(error, call))
            except Exception as error:
                # Any error counts as not sent, because nothing of the call itself has left.
                log.exception("no token", shop_id=shop_id, marketplace=marketplace)
                return Failure(_not_sent(error, call))
            # The token is put in here, on the thread that sends: neither the journal nor a message
            # between actors ever holds it.
            headers = {**(call.headers or {}), **authorization(auth, token)}
            sent = replace(call, headers=headers)
            outcome = self._transport.perform(marketplace, sent, timeout, may_leave)
            if not _is_unauthorized(outcome):
                return outcome
        return outcome

    def _token(
        self, marketplace: str, auth: OAuth2, shop_id: int, call: HttpCall, refused: str | None
    ) -> str:
        if call.authorization is Authorization.APPLICATION:
            return self._authorizer.application_token(marketplace, auth, refused)
        return self._authorizer.shop_token(marketplace, auth, shop_id, refused)


def _is_unauthorized(outcome: Outcome) -> bool:
    return (
        isinstance(outcome, Failure)
        and isinstance(outcome.error, CallRejected)
        and outcome.error.status == UNAUTHORIZED
    )


def _not_sent(error: Exception, call: HttpCall) -> NotSent:
    return NotSent(f"{call.method} {call.path} has no token: {error}")
