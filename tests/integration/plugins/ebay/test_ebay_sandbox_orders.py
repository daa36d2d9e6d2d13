"""The simulated eBay: orders and daily limits, over real HTTP."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from plugins.ebay.sandbox import EbaySandbox
from runtime.process.clock import ManualClock
from tests.support.marketplaces.sandboxes import (
    EbayApp,
    checked_ebay,
    ebay_errors,
    iso,
    still_clock,
)

DAY = timedelta(days=1)


@pytest.fixture
def clock() -> ManualClock:
    return still_clock()


@pytest.fixture
def ebay(clock: ManualClock) -> Iterator[EbaySandbox]:
    with checked_ebay(clock, refused_too=False) as running:
        yield running


@pytest.fixture
def app(ebay: EbaySandbox) -> EbayApp:
    return EbayApp(ebay)


def reconnect(app: EbayApp) -> None:
    """Get a new token after the clock was moved."""
    app.token = app.ebay.connect()["access_token"]


def test_a_sale_makes_an_order_and_takes_from_the_quantity(ebay: EbaySandbox, app: EbayApp) -> None:
    offer_id = app.publish("SKU-1", quantity=3)
    order = ebay.sell("SKU-1", 2)
    assert app.orders().json()["orders"] == [order]
    (line,) = order["lineItems"]
    assert (line["sku"], line["quantity"], line["total"]["value"]) == ("SKU-1", 2, "25.00")
    availability = ebay.items["SKU-1"]["availability"]["shipToLocationAvailability"]
    assert availability["quantity"] == 1
    assert ebay.offers[offer_id]["listing"]["soldQuantity"] == 2
    ebay.sell("SKU-1")
    assert ebay.offers[offer_id]["listing"]["listingStatus"] == "OUT_OF_STOCK"
    with pytest.raises(ValueError, match="0 are on sale"):
        ebay.sell("SKU-1")


def test_an_order_is_found_by_its_id(ebay: EbaySandbox, app: EbayApp) -> None:
    app.publish("SKU-1")
    order = ebay.sell("SKU-1")
    path = f"/sell/fulfillment/v1/order/{order['orderId']}"
    assert app.call("GET", path).json() == order
    assert app.orders(orderIds=order["orderId"]).json()["total"] == 1
    answer = app.call("GET", "/sell/fulfillment/v1/order/1")
    assert (answer.status_code, ebay_errors(answer)) == (404, [32100])


def test_pages_of_orders_are_followed_by_next_with_the_filter(
    clock: ManualClock, ebay: EbaySandbox, app: EbayApp
) -> None:
    app.publish("SKU-1", quantity=5)
    sold = [ebay.sell("SKU-1")["orderId"] for _ in range(5)]
    window = (
        f"creationdate:[{iso(clock.now())}..],orderfulfillmentstatus:{{NOT_STARTED|IN_PROGRESS}}"
    )
    pages = app.pages(app.orders(filter=window, limit="2"))
    seen = [order["orderId"] for page in pages for order in page["orders"]]
    assert seen == sold[::-1]


def test_orders_are_of_the_last_90_days_unless_told_otherwise(
    clock: ManualClock, ebay: EbaySandbox, app: EbayApp
) -> None:
    app.publish("SKU-1", quantity=2)
    start = clock.now()
    old = ebay.sell("SKU-1")["orderId"]
    clock.advance(91 * DAY)
    reconnect(app)
    new = ebay.sell("SKU-1")["orderId"]
    assert [order["orderId"] for order in app.orders().json()["orders"]] == [new]
    wanted = app.orders(filter=f"creationdate:[{iso(start)}..{iso(clock.now())}]").json()
    assert [order["orderId"] for order in wanted["orders"]] == [new, old]


def test_a_cancelled_order_counts_as_changed(
    clock: ManualClock, ebay: EbaySandbox, app: EbayApp
) -> None:
    app.publish("SKU-1", quantity=2)
    order_id = ebay.sell("SKU-1")["orderId"]
    clock.advance(DAY)
    reconnect(app)
    ebay.cancel_order(order_id)
    changed = app.orders(filter=f"lastmodifieddate:[{iso(clock.now())}..]").json()["orders"]
    assert [order["cancelStatus"]["cancelState"] for order in changed] == ["CANCELED"]


@pytest.mark.parametrize(
    ("wanted", "error_id"),
    [
        ("colour:[red..]", 30700),
        ("orderfulfillmentstatus:{NOT_STARTED}", 30800),
        ("creationdate:yesterday", 30800),
        ("creationdate:[yesterday..]", 30810),
        ("creationdate:[..2026-01-01T00:00:00.000Z]", 30820),
        ("creationdate:[2023-01-01T00:00:00.000Z..]", 30830),
        ("creationdate:[2026-01-02T00:00:00.000Z..2026-01-01T00:00:00.000Z]", 30840),
        ("creationdate:[2027-01-01T00:00:00.000Z..]", 30850),
    ],
)
def test_a_filter_is_checked(app: EbayApp, wanted: str, error_id: int) -> None:
    answer = app.orders(filter=wanted)
    assert (answer.status_code, ebay_errors(answer)) == (400, [error_id])


@pytest.mark.parametrize(
    ("params", "error_id"), [({"limit": "201"}, 31100), ({"offset": "x"}, 31000)]
)
def test_a_page_of_orders_has_at_most_200(
    app: EbayApp, params: dict[str, Any], error_id: int
) -> None:
    assert ebay_errors(app.orders(**params)) == [error_id]


def test_beyond_the_daily_limit_is_429_without_retry_after(
    clock: ManualClock, ebay: EbaySandbox, app: EbayApp
) -> None:
    ebay.limits.quotas["fulfillment"].limit = 2
    assert [app.orders().status_code for _ in range(2)] == [200, 200]
    answer = app.orders()
    assert (answer.status_code, ebay_errors(answer)) == (429, [2001])
    assert "Retry-After" not in answer.headers
    # Another API has a limit of its own.
    assert app.inventory("GET", "/inventory_item").status_code == 200
    clock.advance(DAY)
    reconnect(app)
    assert app.orders().status_code == 200


def test_what_is_left_is_read_with_an_application_token(
    clock: ManualClock, ebay: EbaySandbox, app: EbayApp
) -> None:
    ebay.limits.quotas["fulfillment"].limit = 10
    app.orders()
    assert app.call("GET", "/developer/analytics/v1_beta/rate_limit/").status_code == 403
    app.token = requests.post(
        f"{ebay.url}/identity/v1/oauth2/token",
        auth=("ebay-client", "ebay-secret"),
        data={
            "grant_type": "client_credentials",
            "scope": "https://api.ebay.com/oauth/api_scope",
        },
        timeout=60,
    ).json()["access_token"]
    answer = app.call(
        "GET", "/developer/analytics/v1_beta/rate_limit/", params={"api_name": "fulfillment"}
    )
    (limit,) = answer.json()["rateLimits"]
    assert limit["resources"][0]["rates"] == [
        {
            "count": 1,
            "limit": 10,
            "remaining": 9,
            "reset": iso(clock.now() + DAY),
            "timeWindow": 86_400,
        }
    ]
