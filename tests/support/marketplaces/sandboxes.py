"""Simulated marketplaces for tests, and sellers' applications that call them over real HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import requests

from plugins.ebay.sandbox import EbaySandbox
from plugins.etsy.sandbox import EtsySandbox
from runtime.process.clock import ManualClock
from tests.support.marketplaces.openapi_validation import assert_conforms

TIMEOUT_SECONDS = 10
MAX_PAGES = 10
JPEG = b"\xff\xd8\xff\xe0 not much of a picture"


def still_clock() -> ManualClock:
    """Time that only the test moves; nobody is told anything by it."""
    return ManualClock(lambda actor, message: None)


@contextmanager
def checked_ebay(clock: ManualClock, *, refused_too: bool = True) -> Iterator[EbaySandbox]:
    """A simulated eBay whose requests are checked against eBay's documents in the end."""
    with EbaySandbox(now=clock.now) as ebay:
        yield ebay
    assert_conforms("ebay", ebay.exchanges, refused_too=refused_too)


@contextmanager
def checked_etsy(clock: ManualClock, *, refused_too: bool = True) -> Iterator[EtsySandbox]:
    """A simulated Etsy whose requests are checked against Etsy's document in the end."""
    with EtsySandbox(now=clock.now) as etsy:
        yield etsy
    assert_conforms("etsy", etsy.exchanges, refused_too=refused_too)


class EbayApp:
    """An application that calls eBay for a seller, without any wit."""

    def __init__(self, ebay: EbaySandbox) -> None:
        self.ebay = ebay
        self.token = ebay.connect()["access_token"]

    def call(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Send a request with the token; ``headers`` of None leave one out."""
        headers = {"Authorization": f"Bearer {self.token}"} | arguments.pop("headers", {})
        return requests.request(
            method, self.ebay.url + path, headers=headers, timeout=TIMEOUT_SECONDS, **arguments
        )

    def inventory(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Call the Inventory API."""
        if method in {"PUT", "POST"}:
            arguments["headers"] = {"Content-Language": "fr-FR"} | arguments.get("headers", {})
        return self.call(method, f"/sell/inventory/v1{path}", **arguments)

    def orders(self, **params: str) -> requests.Response:
        """getOrders."""
        return self.call("GET", "/sell/fulfillment/v1/order", params=params)

    def pages(self, first: requests.Response) -> Iterator[dict[str, Any]]:
        """A page and those that follow it by ``next``."""
        page = first.json()
        for _ in range(MAX_PAGES):
            yield page
            if "next" not in page:
                return
            page = self.call("GET", page["next"].removeprefix(self.ebay.url)).json()
        raise AssertionError(f"more than {MAX_PAGES} pages")

    def put_item(self, sku: str, **changes: Any) -> requests.Response:
        """Store an item that can be published."""
        return self.inventory("PUT", f"/inventory_item/{sku}", json=ebay_item(**changes))

    def offer(self, sku: str, **changes: Any) -> str:
        """Offer an item; returns the offer's id."""
        answer = self.inventory("POST", "/offer", json=ebay_offer(sku, **changes))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["offerId"])

    def publish(self, sku: str, quantity: int = 1) -> str:
        """Store, offer and publish; returns the offer's id."""
        self.put_item(sku, quantity=quantity)
        offer_id = self.offer(sku)
        answer = self.inventory("POST", f"/offer/{offer_id}/publish")
        assert answer.status_code == 200, answer.text
        return offer_id


def ebay_item(quantity: int = 1, **product: Any) -> dict[str, Any]:
    """An inventory item that can be published."""
    return {
        "condition": "USED_GOOD",
        "availability": {"shipToLocationAvailability": {"quantity": quantity}},
        "product": {
            "title": "Écharpe en laine",
            "description": "Douce et chaude.",
            "imageUrls": ["https://images.example.com/1.jpg"],
            "aspects": {"Marque": ["Sézane"]},
            **product,
        },
    }


def ebay_offer(sku: str, **changes: Any) -> dict[str, Any]:
    """An offer that can be published."""
    return {
        "sku": sku,
        "marketplaceId": "EBAY_FR",
        "format": "FIXED_PRICE",
        "categoryId": "45238",
        "listingDuration": "GTC",
        "merchantLocationKey": "warehouse",
        "pricingSummary": {"price": {"value": "12.50", "currency": "EUR"}},
        "listingPolicies": {
            "fulfillmentPolicyId": "fulfillment-1",
            "paymentPolicyId": "payment-1",
            "returnPolicyId": "return-1",
        },
        **changes,
    }


class EtsyApp:
    """An application that calls Etsy for a seller, without any wit."""

    def __init__(self, etsy: EtsySandbox) -> None:
        self.etsy = etsy
        self.token = etsy.connect()["access_token"]

    def call(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Send a request with key and token; ``headers`` of None leave one out."""
        headers = {
            "x-api-key": "etsy-keystring:etsy-secret",
            "Authorization": f"Bearer {self.token}",
        } | arguments.pop("headers", {})
        return requests.request(
            method,
            f"{self.etsy.url}/v3/application{path}",
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            **arguments,
        )

    def shop(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Call below the seller's shop."""
        return self.call(method, f"/shops/{self.etsy.shop_id}{path}", **arguments)

    def draft(self, **changes: str) -> int:
        """Draft a listing; returns its id."""
        answer = self.shop("POST", "/listings", data=etsy_form(**changes))
        assert answer.status_code == 201, answer.text
        return int(answer.json()["listing_id"])

    def upload(self, listing_id: int, **fields: str) -> requests.Response:
        """Upload an image."""
        files = {"image": ("image.jpg", JPEG, "image/jpeg")}
        return self.shop("POST", f"/listings/{listing_id}/images", files=files, data=fields)

    def put_inventory(self, listing_id: int, sku: str, **changes: Any) -> requests.Response:
        """Give a listing its one product."""
        body = {"products": [etsy_product(sku, **changes)]}
        return self.call("PUT", f"/listings/{listing_id}/inventory", json=body)

    def patch(self, listing_id: int, **form: str) -> requests.Response:
        """Change a listing."""
        return self.shop("PATCH", f"/listings/{listing_id}", data=form)

    def publish(self, sku: str, quantity: int = 1) -> int:
        """Draft, picture, inventory, activate; returns the listing's id."""
        listing_id = self.draft(title=f"Écharpe {sku}")
        self.upload(listing_id)
        self.put_inventory(listing_id, sku, quantity=quantity)
        answer = self.patch(listing_id, state="active")
        assert answer.status_code == 200, answer.text
        return listing_id


def etsy_form(**changes: str) -> dict[str, str]:
    """A draft that can be activated; an empty value leaves a field out."""
    form = {
        "quantity": "1",
        "title": "Écharpe en laine",
        "description": "Douce et chaude.",
        "price": "12.50",
        "who_made": "someone_else",
        "when_made": "2010_2019",
        "taxonomy_id": "374",
        "shipping_profile_id": "9001",
        "tags": "laine,écharpe",
    }
    return {name: value for name, value in (form | changes).items() if value}


def etsy_product(sku: str, **changes: Any) -> dict[str, Any]:
    """A product of updateListingInventory."""
    offering = {"price": 12.5, "quantity": 1, "is_enabled": True, "readiness_state_id": None}
    return {"sku": sku, "property_values": [], "offerings": [offering | changes]}


def ebay_errors(answer: requests.Response) -> list[int]:
    """The ids of the errors in an answer, in order."""
    return [error["errorId"] for error in answer.json()["errors"]]


def iso(when: datetime) -> str:
    """A time as eBay's filters want it."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")
