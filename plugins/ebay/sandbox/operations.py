"""The operations with their methods and paths, and the token that each needs."""

from collections.abc import Callable

from plugins.ebay.sandbox.account import AccountOperations
from plugins.ebay.sandbox.items import ItemOperations
from plugins.ebay.sandbox.oauth import (
    ACCOUNT,
    ACCOUNT_READ,
    APPLICATION,
    FULFILLMENT,
    FULFILLMENT_READ,
    INVENTORY,
    INVENTORY_READ,
    EbayOAuth,
)
from plugins.ebay.sandbox.offers import OfferOperations
from plugins.ebay.sandbox.orders import OrderOperations
from plugins.ebay.sandbox.quotas import ApiQuotas
from runtime.sandbox import Answer, Call, Route

_WRITE = frozenset({INVENTORY})
_READ = frozenset({INVENTORY, INVENTORY_READ})
_ORDERS = frozenset({FULFILLMENT, FULFILLMENT_READ})
_ACCOUNT = frozenset({ACCOUNT, ACCOUNT_READ})
_APPLICATION = frozenset({APPLICATION})
_OPEN: frozenset[str] = frozenset()


def routes_of(
    oauth: EbayOAuth,
    items: ItemOperations,
    offers: OfferOperations,
    orders: OrderOperations,
    account: AccountOperations,
    limits: ApiQuotas,
    url: Callable[[], str],
) -> tuple[Route, ...]:
    """Return all operations.

    Args:
        url: returns the address at which the sandbox listens, for the links between pages.
    """

    def paged(page: Callable[[Call, str], Answer]) -> Callable[[Call], Answer]:
        return lambda call: page(call, url() + call.request.path)

    def policies(kind: str) -> Callable[[Call], Answer]:
        return paged(lambda call, base: account.policies(call, base, kind))

    inventory = "/sell/inventory/v1"
    item, offer = f"{inventory}/inventory_item", f"{inventory}/offer"
    order, location = "/sell/fulfillment/v1/order", f"{inventory}/location"
    policy = "/sell/account/v1"
    one_offer = f"{offer}/{{offerId}}"
    return (
        Route("authorize", "GET", "/oauth2/authorize", _OPEN, oauth.authorize),
        Route("token", "POST", "/identity/v1/oauth2/token", _OPEN, oauth.token),
        Route("createOrReplaceInventoryItem", "PUT", f"{item}/{{sku}}", _WRITE, items.put),
        Route("getInventoryItem", "GET", f"{item}/{{sku}}", _READ, items.get),
        Route("getInventoryItems", "GET", item, _READ, paged(items.list_page)),
        Route("deleteInventoryItem", "DELETE", f"{item}/{{sku}}", _WRITE, items.delete),
        Route(
            "bulkCreateOrReplaceInventoryItem",
            "POST",
            f"{inventory}/bulk_create_or_replace_inventory_item",
            _WRITE,
            items.put_many,
        ),
        Route("createOffer", "POST", offer, _WRITE, offers.create),
        Route("getOffers", "GET", offer, _READ, paged(offers.list_page)),
        Route("getOffer", "GET", one_offer, _READ, offers.get),
        Route("updateOffer", "PUT", one_offer, _WRITE, offers.update),
        Route("deleteOffer", "DELETE", one_offer, _WRITE, offers.delete),
        Route("publishOffer", "POST", f"{one_offer}/publish", _WRITE, offers.publish),
        Route("withdrawOffer", "POST", f"{one_offer}/withdraw", _WRITE, offers.withdraw),
        Route(
            "bulkPublishOffer",
            "POST",
            f"{inventory}/bulk_publish_offer",
            _WRITE,
            offers.publish_many,
        ),
        Route(
            "bulkUpdatePriceQuantity",
            "POST",
            f"{inventory}/bulk_update_price_quantity",
            _WRITE,
            offers.reprice_many,
        ),
        Route("getInventoryLocation", "GET", f"{location}/{{key}}", _READ, account.location),
        Route("getInventoryLocations", "GET", location, _READ, paged(account.locations)),
        Route(
            "getFulfillmentPolicies",
            "GET",
            f"{policy}/fulfillment_policy",
            _ACCOUNT,
            policies("fulfillment"),
        ),
        Route(
            "getPaymentPolicies", "GET", f"{policy}/payment_policy", _ACCOUNT, policies("payment")
        ),
        Route("getReturnPolicies", "GET", f"{policy}/return_policy", _ACCOUNT, policies("return")),
        Route("getOrders", "GET", order, _ORDERS, paged(orders.list_page)),
        Route("getOrder", "GET", f"{order}/{{orderId}}", _ORDERS, orders.get),
        Route(
            "getRateLimits",
            "GET",
            "/developer/analytics/v1_beta/rate_limit/",
            _APPLICATION,
            limits.get,
        ),
    )
