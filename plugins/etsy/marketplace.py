"""Describes Etsy to the runtime."""

from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from plugins.etsy.errors import read_refusal
from plugins.etsy.settings import EtsySettings
from runtime import Identification, Marketplace, OAuth2, ShopSetting, read_settings, usual_actions
from runtime.answers import AccountWords, LimitHeaders
from runtime.sandbox import SimulatedAccount

HINT = "set RUNTIME_ETSY_KEYSTRING and RUNTIME_ETSY_SHARED_SECRET"

ACTION_TYPES = usual_actions(
    publish="Create listing on Etsy",
    update="Update existing Etsy listing",
    delete="Delete/deactivate Etsy listing",
    sync="Sync all products from Etsy shop",
    sync_orders="Sync orders from Etsy",
)

SHOP_SETTINGS = {
    "currency": ShopSetting("of prices", pattern=r"[A-Z]{3}", example="EUR"),
    "who_made": ShopSetting(
        "who makes what is sold", pattern=r"i_did|someone_else|collective", example="i_did"
    ),
    "when_made": ShopSetting("when it was made", example="made_to_order"),
    "taxonomy_map": ShopSetting(
        "Etsy's taxonomy id of each category", is_json=True, example='{"Shoes": 1429}'
    ),
    "shipping_profile_id": ShopSetting("how sales are shipped", pattern=r"[0-9]+", example="12345"),
    "return_policy_id": ShopSetting("how sales are returned", pattern=r"[0-9]+", example="12345"),
    "readiness_state_id": ShopSetting(
        "how long sales are prepared", pattern=r"[0-9]+", example="12345"
    ),
    "on_delete": ShopSetting(
        "what delete does to a listing", pattern=r"delete|deactivate", example="deactivate"
    ),
}

# Etsy announces its limits in every answer, so no number of calls is written down here, where it
# would grow old.
LIMIT_HEADERS = (
    LimitHeaders("x-limit-per-second", "x-remaining-this-second", timedelta(seconds=1)),
    LimitHeaders("x-limit-per-day", "x-remaining-today", timedelta(days=1)),
)

# Its pages are guarded by DataDome, whose challenge may take the place of an answer.
ACCOUNT_WORDS = AccountWords(blocked_texts=("captcha", "datadome"))


def etsy(settings: EtsySettings | None = None) -> Marketplace:
    """Return the record of Etsy as the operator has set it up.

    Raises:
        ConfigurationError: a variable cannot be used; the message names it.
    """
    known = settings or read_settings(EtsySettings)
    # Etsy wants the shared secret behind the keystring in each call, and answers 403 without it.
    secret = known.shared_secret.get_secret_value() if known.shared_secret else ""
    return Marketplace(
        name="etsy",
        sandbox=_simulated,
        base_url=known.api_url,
        default_headers={"x-api-key": f"{known.keystring or ''}:{secret}"},
        action_types=ACTION_TYPES,
        auth=OAuth2(
            authorize_url=f"{known.auth_url}/oauth/connect",
            token_url=f"{known.api_url}/v3/public/oauth/token",
            hint=HINT,
            client_id=known.keystring,
            # Only what the handlers need: nothing is shipped or mailed, so there is no
            # transactions_w.
            scopes=("listings_r", "listings_w", "listings_d", "transactions_r", "shops_r"),
            pkce=True,
        ),
        read_refusal=read_refusal,
        limit_headers=LIMIT_HEADERS,
        account_words=ACCOUNT_WORDS,
        identification=Identification("/v3/application/users/me", _shop_of),
        shop_settings=SHOP_SETTINGS,
    )


def _shop_of(answer: Any) -> tuple[str, str | None]:
    return str(int(answer["shop_id"])), None


def _simulated(
    name: str,  # noqa: ARG001 - the interface
    listings: int,  # noqa: ARG001 - the interface
) -> AbstractContextManager[SimulatedAccount]:
    # Imported late: a service needs no simulation.
    from plugins.etsy.sandbox.demo import open_account

    return open_account(etsy)
