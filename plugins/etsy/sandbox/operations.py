"""The operations with their methods and paths, and the scopes that each needs."""

from collections.abc import Callable

from plugins.etsy.sandbox.images import ImageOperations
from plugins.etsy.sandbox.inventory import InventoryOperations
from plugins.etsy.sandbox.listings import ListingOperations
from plugins.etsy.sandbox.oauth import EtsyOAuth
from plugins.etsy.sandbox.receipts import ReceiptOperations
from plugins.etsy.sandbox.shop import ShopOperations
from runtime.sandbox import Answer, Call, Route

ROOT = "/v3/application"
# Consent and tokens are asked for before there is anything to prove, and count against no limit.
WITHOUT_KEY = frozenset({"authorize", "token"})


def routes_of(
    oauth: EtsyOAuth,
    shop: ShopOperations,
    listings: ListingOperations,
    images: ImageOperations,
    inventory: InventoryOperations,
    receipts: ReceiptOperations,
) -> tuple[Route, ...]:
    """Return all operations; one without a scope needs the key alone, or nothing."""
    own = "/shops/{shop_id}"
    own_listing, listing = f"{own}/listings/{{listing_id}}", "/listings/{listing_id}"
    own_receipt = f"{own}/receipts/{{receipt_id}}"
    return (
        Route("authorize", "GET", "/oauth/connect", frozenset(), oauth.authorize),
        Route("token", "POST", "/v3/public/oauth/token", frozenset(), oauth.token),
        _route("ping", "GET", "/openapi-ping", "", shop.ping),
        _route("getMe", "GET", "/users/me", "shops_r", shop.me),
        _route("getShop", "GET", own, "", shop.get),
        _route("getShopByOwnerUserId", "GET", "/users/{user_id}/shops", "", shop.of_user),
        _route(
            "getShopShippingProfiles", "GET", f"{own}/shipping-profiles", "shops_r",
            shop.shipping_profiles,
        ),
        _route(
            "getShopReturnPolicies", "GET", f"{own}/policies/return", "", shop.return_policies
        ),
        _route(
            "getShopReadinessStateDefinitions", "GET", f"{own}/readiness-state-definitions",
            "shops_r", shop.readiness_states,
        ),
        _route("getSellerTaxonomyNodes", "GET", "/seller-taxonomy/nodes", "", shop.taxonomy),
        _route(
            "createDraftListing", "POST", f"{own}/listings", "listings_w", listings.create_draft
        ),
        _route("getListingsByShop", "GET", f"{own}/listings", "listings_r", listings.list_page),
        _route("getListing", "GET", listing, "", listings.get),
        _route("updateListing", "PATCH", own_listing, "listings_w", listings.update),
        _route("deleteListing", "DELETE", listing, "listings_d", listings.delete),
        _route("uploadListingImage", "POST", f"{own_listing}/images", "listings_w", images.upload),
        _route("getListingImages", "GET", f"{listing}/images", "", images.list_all),
        _route(
            "deleteListingImage", "DELETE", f"{own_listing}/images/{{listing_image_id}}",
            "listings_w", images.delete,
        ),
        _route("getListingInventory", "GET", f"{listing}/inventory", "listings_r", inventory.get),
        _route(
            "updateListingInventory", "PUT", f"{listing}/inventory", "listings_w", inventory.put
        ),
        _route("getShopReceipts", "GET", f"{own}/receipts", "transactions_r", receipts.list_page),
        _route("getShopReceipt", "GET", own_receipt, "transactions_r", receipts.get),
        _route(
            "getShopReceiptTransactionsByReceipt", "GET", f"{own_receipt}/transactions",
            "transactions_r", receipts.transactions,
        ),
    )  # fmt: skip


def _route(
    operation: str, method: str, path: str, scope: str, carry_out: Callable[[Call], Answer]
) -> Route:
    scopes = frozenset({scope} if scope else ())
    return Route(operation, method, ROOT + path, scopes, carry_out)
