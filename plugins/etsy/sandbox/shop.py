"""The seller and her shop, with its profiles and policies; all of them are read only here."""

from plugins.etsy.sandbox.errors import refused
from plugins.etsy.sandbox.listings import own_shop
from plugins.etsy.sandbox.request_reader import identifier, page_of, query_of
from plugins.etsy.sandbox.state import CURRENCY, SHOP_ID, USER_ID, EtsyState, Record
from runtime.sandbox import Answer, Call

CREATED = 1_700_000_000


class ShopOperations:
    """The operations on the seller, the shop, its profiles and the categories."""

    def __init__(self, state: EtsyState) -> None:
        self._state = state

    def ping(self, _call: Call) -> Answer:
        """Answer to the operation ``ping``, which a good key is enough for."""
        return Answer(200, {"application_id": 1})

    def me(self, _call: Call) -> Answer:
        """getMe: the seller to whom the token belongs."""
        return Answer(200, {"user_id": USER_ID, "shop_id": SHOP_ID})

    def get(self, call: Call) -> Answer:
        """getShop: by its id."""
        if identifier(call, "shop_id") != SHOP_ID:
            raise refused(404, "Could not find the shop")
        return Answer(200, self._shown())

    def of_user(self, call: Call) -> Answer:
        """getShopByOwnerUserId: by its owner's id."""
        if identifier(call, "user_id") != USER_ID:
            raise refused(404, "Could not find the user")
        return Answer(200, self._shown())

    def shipping_profiles(self, call: Call) -> Answer:
        """getShopShippingProfiles: all of them."""
        own_shop(call)
        return _all(
            [
                {
                    "shipping_profile_id": profile_id,
                    "title": "Letters",
                    "user_id": USER_ID,
                    "origin_country_iso": "FR",
                    "is_deleted": False,
                    "shipping_profile_destinations": [],
                    "shipping_profile_upgrades": [],
                    "profile_type": "manual",
                }
                for profile_id in sorted(self._state.shipping_profiles)
            ]
        )

    def return_policies(self, call: Call) -> Answer:
        """getShopReturnPolicies: all of them."""
        own_shop(call)
        return _all(
            [
                {
                    "return_policy_id": policy_id,
                    "shop_id": SHOP_ID,
                    "accepts_returns": True,
                    "accepts_exchanges": False,
                    "return_deadline": 30,
                }
                for policy_id in sorted(self._state.return_policies)
            ]
        )

    def readiness_states(self, call: Call) -> Answer:
        """getShopReadinessStateDefinitions: a page of them."""
        own_shop(call)
        rows: list[Record] = [
            {
                "shop_id": SHOP_ID,
                "readiness_state_id": state_id,
                "readiness_state": "ready_to_ship",
                "min_processing_days": 1,
                "max_processing_days": 3,
                "processing_days_display_label": "1-3 days",
            }
            for state_id in sorted(self._state.readiness_states)
        ]
        return Answer(200, page_of(query_of(call.request), rows))

    def taxonomy(self, _call: Call) -> Answer:
        """getSellerTaxonomyNodes: the categories that the sandbox knows."""
        return _all(
            [
                {
                    "id": node_id,
                    "level": 1,
                    "name": name,
                    "parent_id": None,
                    "children": [],
                    "full_path_taxonomy_ids": [node_id],
                }
                for node_id, name in sorted(self._state.taxonomy.items())
            ]
        )

    def _shown(self) -> Record:
        active = [one for one in self._state.listings.values() if one["state"] == "active"]
        return {
            "shop_id": SHOP_ID,
            "user_id": USER_ID,
            "shop_name": "ExampleShop",
            "login_name": "exampleseller",
            "title": "Example shop",
            "currency_code": CURRENCY,
            "is_vacation": False,
            "create_date": CREATED,
            "created_timestamp": CREATED,
            "update_date": CREATED,
            "updated_timestamp": CREATED,
            "listing_active_count": len(active),
            "digital_listing_count": 0,
            "url": "https://www.etsy.com/shop/ExampleShop",
            "languages": ["fr"],
            "shop_location_country_iso": "FR",
            "transaction_sold_count": len(self._state.receipts),
        }


def _all(rows: list[Record]) -> Answer:
    return Answer(200, {"count": len(rows), "results": rows})
