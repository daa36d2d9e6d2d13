"""Inventory locations and business policies, which the seller set up beforehand."""

import copy

from plugins.ebay.sandbox.errors import refused
from plugins.ebay.sandbox.listing_check import POLICIES
from plugins.ebay.sandbox.request_reader import page_of
from plugins.ebay.sandbox.state import EbayState, Record
from runtime.sandbox import Answer, Call


class AccountOperations:
    """The operations on locations and policies; they are read only here."""

    def __init__(self, state: EbayState) -> None:
        self._state = state
        state.policies.update({kind: {} for kind in POLICIES})

    def add_location(self, key: str) -> None:
        """Set a location up."""
        self._state.locations[key] = {
            "merchantLocationKey": key,
            "merchantLocationStatus": "ENABLED",
            "name": key,
            "locationTypes": ["WAREHOUSE"],
            "location": {"address": {"postalCode": "75001", "country": "FR"}},
        }

    def add_policy(self, kind: str, policy_id: str, marketplace_id: str) -> None:
        """Set a policy up; ``kind`` is fulfillment, payment or return."""
        self._state.policies[kind][policy_id] = {
            POLICIES[kind][0]: policy_id,
            "name": f"{kind} policy",
            "marketplaceId": marketplace_id,
            "categoryTypes": [{"name": "ALL_EXCLUDING_MOTORS_VEHICLES"}],
        }

    def location(self, call: Call) -> Answer:
        """getInventoryLocation: by its key."""
        try:
            return Answer(200, copy.deepcopy(self._state.locations[call.path["key"]]))
        except KeyError:
            raise refused(404, 25710) from None

    def locations(self, call: Call, base: str) -> Answer:
        """getInventoryLocations: all, 100 to a page."""
        rows = copy.deepcopy(list(self._state.locations.values()))
        page = page_of(call.request, base, rows, "locations", largest=100, usual=100)
        # eBay's document gives these pages no size.
        del page["size"]
        return Answer(200, page)

    def policies(self, call: Call, base: str, kind: str) -> Answer:
        """getFulfillmentPolicies, getPaymentPolicies, getReturnPolicies: of a marketplace."""
        marketplace_id = dict(call.request.query_pairs()).get("marketplace_id")
        # Policies belong to one of eBay's marketplaces, so the parameter is required.
        if not marketplace_id:
            raise refused(400, 25709, "marketplace_id", fieldName="marketplace_id")
        rows: list[Record] = [
            copy.deepcopy(policy)
            for policy in self._state.policies[kind].values()
            if policy["marketplaceId"] == marketplace_id
        ]
        return Answer(200, {"href": base, "total": len(rows), f"{kind}Policies": rows})
