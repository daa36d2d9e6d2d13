"""The record of eBay: its action types, its access and how its answers are read."""

from contextlib import AbstractContextManager

from plugins.ebay.errors import read_refusal
from plugins.ebay.rate_limits import INQUIRY
from plugins.ebay.settings import EbaySettings
from runtime import Marketplace, OAuth2, ShopSetting, read_settings, usual_actions
from runtime.sandbox import SimulatedAccount

SCOPE = "https://api.ebay.com/oauth/api_scope"
HINT = "set RUNTIME_EBAY_CLIENT_ID, RUNTIME_EBAY_CLIENT_SECRET and RUNTIME_EBAY_RUNAME"

ACTION_TYPES = usual_actions(
    publish="Create inventory item and offer on eBay",
    update="Update existing eBay listing",
    delete="Delete/end eBay listing",
    sync="Sync all products from eBay inventory",
    sync_orders="Sync orders from eBay",
)

SHOP_SETTINGS = {
    "marketplace_id": ShopSetting(
        "the eBay site that offers are made on", pattern=r"EBAY_[A-Z_]{2,}", example="EBAY_FR"
    ),
    "currency": ShopSetting("of prices", pattern=r"[A-Z]{3}", example="EUR"),
    "language": ShopSetting(
        "of titles and descriptions", pattern=r"[a-z]{2}-[A-Z]{2}", example="fr-FR"
    ),
    "fulfillment_policy_id": ShopSetting("how sales are shipped"),
    "payment_policy_id": ShopSetting("how sales are paid"),
    "return_policy_id": ShopSetting("how sales are returned"),
    "merchant_location_key": ShopSetting("where the stock is"),
    "category_map": ShopSetting(
        "eBay's category id of each category", is_json=True, example='{"Shoes": "63889"}'
    ),
    "aspect_map": ShopSetting(
        "what the site calls brand, size and color",
        is_json=True,
        example='{"brand": "Marque"}',
    ),
    "condition_map": ShopSetting(
        "eBay's condition of each condition", is_json=True, example='{"good": "USED_GOOD"}'
    ),
}


def ebay(settings: EbaySettings | None = None) -> Marketplace:
    """Return the record, as the operator has set it up.

    Raises:
        ConfigurationError: a variable cannot be used; the message names it.
    """
    known = settings or read_settings(EbaySettings)
    secret = known.client_secret
    return Marketplace(
        name="ebay",
        sandbox=_simulated,
        base_url=known.api_url,
        action_types=ACTION_TYPES,
        auth=OAuth2(
            authorize_url=f"{known.auth_url}/oauth2/authorize",
            token_url=f"{known.api_url}/identity/v1/oauth2/token",
            hint=HINT,
            client_id=known.client_id,
            client_secret=secret.get_secret_value() if secret else None,
            # eBay takes the client's id and secret in a Basic header, and its RuName in place of an
            # address.
            secret_in_header=True,
            redirect_uri=known.runame,
            scopes=(
                f"{SCOPE}/sell.inventory",
                f"{SCOPE}/sell.fulfillment",
                f"{SCOPE}/sell.account.readonly",
            ),
            # The rate limits are read with a token of the application, because no seller's token
            # opens them.
            application_scopes=(SCOPE,),
        ),
        read_refusal=read_refusal,
        shop_settings=SHOP_SETTINGS,
        limit_inquiry=INQUIRY,
    )


def _simulated(
    name: str,
    listings: int,  # noqa: ARG001 - the interface
) -> AbstractContextManager[SimulatedAccount]:
    # The import stands here because a service needs no simulation.
    from plugins.ebay.sandbox.demo import open_account

    return open_account(name, ebay)
