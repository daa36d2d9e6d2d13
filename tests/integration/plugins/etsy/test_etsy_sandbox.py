"""The simulated Etsy: listings, images and inventories, over real HTTP."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from plugins.etsy.sandbox import EtsySandbox
from runtime.process.clock import ManualClock
from tests.support.marketplaces.sandboxes import (
    JPEG,
    EtsyApp,
    checked_etsy,
    etsy_form,
    etsy_product,
    still_clock,
)


@pytest.fixture
def clock() -> ManualClock:
    return still_clock()


@pytest.fixture
def etsy(clock: ManualClock) -> Iterator[EtsySandbox]:
    with checked_etsy(clock, refused_too=False) as running:
        yield running


@pytest.fixture
def app(etsy: EtsySandbox) -> EtsyApp:
    return EtsyApp(etsy)


def ids(app: EtsyApp, **params: str) -> list[int]:
    answer = app.shop("GET", "/listings", params=params)
    return [listing["listing_id"] for listing in answer.json()["results"]]


# --- drafts and their form ------------------------------------------------------------------


def test_draft_images_inventory_activate_costs_one_fee(etsy: EtsySandbox, app: EtsyApp) -> None:
    listing_id = app.draft()
    assert etsy.listings[listing_id]["state"] == "draft"
    assert app.upload(listing_id, rank="1").status_code == 201
    assert app.put_inventory(listing_id, "SKU-1").status_code == 200
    assert not etsy.fees
    assert app.patch(listing_id, state="active").json()["state"] == "active"
    (fee,) = etsy.fees
    assert (fee.listing_id, fee.amount) == (listing_id, Decimal("0.20"))
    assert ids(app) == [listing_id]
    assert etsy.done["updateListing"] == 1


def test_a_draft_is_not_idempotent(etsy: EtsySandbox, app: EtsyApp) -> None:
    assert app.draft() != app.draft()
    assert len(etsy.listings) == 2


def test_a_draft_needs_its_fields_and_names_all_that_are_missing(app: EtsyApp) -> None:
    answer = app.shop("POST", "/listings", data=etsy_form(title="", price=""))
    assert answer.status_code == 400
    assert answer.json() == {"error": "Missing required parameter(s): title, price"}


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "x" * 141},
        {"title": "50% wool, 50% silk"},
        {"title": "Scarf <new>\n"},
        {"tags": ",".join(f"tag {number}" for number in range(14))},
        {"tags": "x" * 21},
        {"tags": "a/b"},
        {"quantity": "0"},
        {"quantity": "1000"},
        {"quantity": "one"},
        {"price": "0"},
        {"price": "free"},
        {"who_made": "my_aunt"},
        {"when_made": "lately"},
        {"taxonomy_id": "999999"},
        {"shipping_profile_id": "1"},
        {"shipping_profile_id": ""},
        {"is_supply": "maybe"},
        {"sku": "SKU-1"},
        {"state": "active"},
    ],
)
def test_a_draft_keeps_to_the_limits(
    etsy: EtsySandbox, app: EtsyApp, changes: dict[str, str]
) -> None:
    answer = app.shop("POST", "/listings", data=etsy_form(**changes))
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}
    assert not etsy.listings


def test_form_arrays_are_one_value_with_commas(etsy: EtsySandbox, app: EtsyApp) -> None:
    listing_id = app.draft(tags="laine,écharpe", materials="laine")
    assert etsy.listings[listing_id]["tags"] == ["laine", "écharpe"]
    for form in ([("tags", "a"), ("tags", "b")], [("tags[]", "a")]):
        answer = app.shop("POST", "/listings", data=[*etsy_form(tags="").items(), *form])
        assert answer.status_code == 400


def test_a_listing_is_a_form_and_an_inventory_is_json(app: EtsyApp) -> None:
    listing_id = app.draft()
    assert app.shop("POST", "/listings", json=etsy_form()).status_code == 400
    assert app.shop("PATCH", f"/listings/{listing_id}", json={"title": "x"}).status_code == 400
    path = f"/listings/{listing_id}/inventory"
    assert app.call("PUT", path, data={"products": "[]"}).status_code == 400
    assert app.shop("POST", f"/listings/{listing_id}/images", data={"rank": "1"}).status_code == 400


# --- finding --------------------------------------------------------------------------------


def test_listings_are_found_by_state_and_show_their_skus(etsy: EtsySandbox, app: EtsyApp) -> None:
    draft, active = app.draft(), app.publish("SKU-1")
    assert ids(app) == [active]
    assert ids(app, state="draft") == [draft]
    answer = app.shop("GET", "/listings", params={"includes": "Images,Inventory"}).json()
    (shown,) = answer["results"]
    assert shown["skus"] == ["SKU-1"]
    assert shown["inventory"]["products"][0]["sku"] == "SKU-1"
    assert len(shown["images"]) == 1
    assert app.shop("GET", "/listings", params={"state": "gone"}).status_code == 400


def test_pages_are_counted_in_records(app: EtsyApp) -> None:
    drafts = [app.draft() for _ in range(5)]
    page = app.shop("GET", "/listings", params={"state": "draft", "limit": "2", "offset": "3"})
    assert page.json()["count"] == 5
    assert [one["listing_id"] for one in page.json()["results"]] == drafts[1::-1]
    for params in ({"limit": "101"}, {"limit": "0"}, {"offset": "-1"}):
        assert app.shop("GET", "/listings", params=params).status_code == 400


def test_what_is_not_there_is_404(app: EtsyApp) -> None:
    for method, path in (
        ("GET", "/listings/1"),
        ("DELETE", "/listings/1"),
        ("GET", "/listings/1/inventory"),
        ("GET", "/listings/1/images"),
        ("GET", "/nothing/here"),
    ):
        answer = app.call(method, path)
        assert answer.status_code == 404
        assert set(answer.json()) == {"error"}


def test_another_shop_is_forbidden(app: EtsyApp) -> None:
    assert app.call("GET", "/shops/1/listings").status_code == 403


# --- images ---------------------------------------------------------------------------------


def test_images_are_in_order_of_rank(etsy: EtsySandbox, app: EtsyApp) -> None:
    listing_id = app.draft()
    first, second = (app.upload(listing_id, rank=rank).json() for rank in ("1", "2"))
    new = app.upload(listing_id, rank="1").json()
    in_order = [one["listing_image_id"] for one in (new, first, second)]
    images = app.call("GET", f"/listings/{listing_id}/images").json()["results"]
    assert [one["listing_image_id"] for one in images] == in_order
    assert [one["rank"] for one in images] == [1, 2, 3]
    replaced = app.upload(listing_id, rank="2", overwrite="true").json()["listing_image_id"]
    images = etsy.listings[listing_id]["images"]
    assert [one["listing_image_id"] for one in images] == [in_order[0], replaced, in_order[2]]


def test_images_are_deleted_and_put_in_another_order(etsy: EtsySandbox, app: EtsyApp) -> None:
    listing_id = app.draft()
    first, second, third = (
        app.upload(listing_id, rank=rank).json()["listing_image_id"] for rank in "123"
    )
    path = f"/listings/{listing_id}/images/{second}"
    assert app.shop("DELETE", path).status_code == 204
    assert app.shop("DELETE", path).status_code == 404
    assert app.patch(listing_id, image_ids=f"{third},{first}").status_code == 200
    images = etsy.listings[listing_id]["images"]
    assert [one["listing_image_id"] for one in images] == [third, first]
    assert app.patch(listing_id, image_ids=f"{second}").status_code == 400


def test_a_listing_has_at_most_20_images_and_they_are_pictures(app: EtsyApp) -> None:
    listing_id = app.draft()
    assert {app.upload(listing_id).status_code for _ in range(20)} == {201}
    assert app.upload(listing_id).status_code == 409
    path = f"/listings/{listing_id}/images"
    for name, content in (("image", b"<html>"), ("picture", JPEG)):
        files = {name: ("image.jpg", content, "image/jpeg")}
        assert app.shop("POST", path, files=files).status_code == 400


# --- inventory ------------------------------------------------------------------------------


def test_an_inventory_replaces_price_quantity_and_sku(etsy: EtsySandbox, app: EtsyApp) -> None:
    listing_id = app.draft()
    answer = app.put_inventory(listing_id, "SKU-1", price=9.9, quantity=3, readiness_state_id=9201)
    assert answer.status_code == 200
    listing = etsy.listings[listing_id]
    assert (listing["quantity"], listing["price"]["amount"]) == (3, 990)
    shown = app.call("GET", f"/listings/{listing_id}/inventory").json()
    assert shown == answer.json()
    (product,) = shown["products"]
    assert product["sku"] == "SKU-1"
    assert product["offerings"][0]["price"] == {
        "amount": 990, "divisor": 100, "currency_code": "EUR",
    }  # fmt: skip


def test_what_was_read_cannot_be_sent_back_as_it_is(etsy: EtsySandbox, app: EtsyApp) -> None:
    listing_id = app.draft()
    path = f"/listings/{listing_id}/inventory"
    answer = app.call("PUT", path, json=app.call("GET", path).json())
    assert answer.status_code == 400
    assert {(one["path"], one["type"]) for one in answer.json()} >= {
        ("products[0].product_id", "additionalProperties"),
        ("products[0].is_deleted", "additionalProperties"),
        ("products[0].offerings[0].offering_id", "additionalProperties"),
    }


@pytest.mark.parametrize("name", ["price", "quantity", "is_enabled", "readiness_state_id"])
def test_every_field_of_an_offering_is_sent(app: EtsyApp, name: str) -> None:
    product = etsy_product("SKU-1")
    del product["offerings"][0][name]
    answer = app.call("PUT", f"/listings/{app.draft()}/inventory", json={"products": [product]})
    assert answer.status_code == 400
    (problem,) = answer.json()
    assert problem == {
        "path": f"products[0].offerings[0].{name}", "type": "required", "message": "is required",
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"price": {"amount": 1250, "divisor": 100, "currency_code": "EUR"}},
        {"price": "12.50"},
        {"price": 0},
        {"quantity": -1},
        {"quantity": 0},
        {"is_enabled": "yes"},
        {"is_enabled": False},
        {"readiness_state_id": 1},
    ],
)
def test_an_offering_keeps_to_the_limits(app: EtsyApp, changes: dict[str, Any]) -> None:
    assert app.put_inventory(app.draft(), "SKU-1", **changes).status_code == 400


def test_an_inventory_has_products(app: EtsyApp) -> None:
    path = f"/listings/{app.draft()}/inventory"
    bodies: tuple[object, ...] = (
        {}, {"products": []}, [], {"products": [1]}, {"products": [{"sku": "x" * 33}]},
    )  # fmt: skip
    for body in bodies:
        assert app.call("PUT", path, json=body).status_code == 400


# --- active, inactive, sold out, deleted ----------------------------------------------------


def test_a_listing_needs_an_image_before_it_is_active(etsy: EtsySandbox, app: EtsyApp) -> None:
    listing_id = app.draft()
    assert app.patch(listing_id, state="active").status_code == 400
    assert etsy.listings[listing_id]["state"] == "draft"
    assert not etsy.fees


def test_outside_the_eu_an_active_listing_needs_a_return_policy(
    etsy: EtsySandbox, app: EtsyApp
) -> None:
    etsy.in_eu = False
    listing_id = app.draft()
    app.upload(listing_id)
    assert app.patch(listing_id, state="active").status_code == 400
    answer = app.patch(listing_id, state="active", return_policy_id="9101")
    assert answer.status_code == 200


def test_to_activate_twice_costs_money_twice(etsy: EtsySandbox, app: EtsyApp) -> None:
    listing_id = app.publish("SKU-1")
    app.patch(listing_id, state="active")
    assert len(etsy.fees) == 2


def test_to_switch_off_and_on_costs_nothing(etsy: EtsySandbox, app: EtsyApp) -> None:
    listing_id = app.publish("SKU-1")
    assert app.patch(listing_id, state="inactive").json()["state"] == "inactive"
    assert ids(app) == []
    assert app.patch(listing_id, state="active").json()["state"] == "active"
    assert len(etsy.fees) == 1
    assert app.patch(app.draft(), state="inactive").status_code == 409


def test_a_change_is_made_whole_or_not_at_all(etsy: EtsySandbox, app: EtsyApp) -> None:
    listing_id = app.draft()
    assert app.patch(listing_id, title="Autre titre", state="active").status_code == 400
    assert etsy.listings[listing_id]["title"] == "Écharpe en laine"
    assert app.patch(listing_id, title="Autre titre", quantity="3").status_code == 400
    assert app.patch(listing_id, title="Autre titre").status_code == 200
    assert etsy.listings[listing_id]["title"] == "Autre titre"


def test_sold_out_comes_back_with_one_and_a_fee(etsy: EtsySandbox, app: EtsyApp) -> None:
    listing_id = app.publish("SKU-1", quantity=2)
    etsy.sell("SKU-1", 2)
    assert etsy.listings[listing_id]["state"] == "sold_out"
    answer = app.patch(listing_id, state="active").json()
    assert (answer["state"], answer["quantity"]) == ("active", 1)
    assert len(etsy.fees) == 2


@pytest.mark.parametrize("published", [False, True])
def test_a_deleted_listing_is_gone(etsy: EtsySandbox, app: EtsyApp, *, published: bool) -> None:
    listing_id = app.publish("SKU-1") if published else app.draft()
    assert app.call("DELETE", f"/listings/{listing_id}").status_code == 204
    assert app.call("DELETE", f"/listings/{listing_id}").status_code == 404
    assert not etsy.listings


# --- receipts -------------------------------------------------------------------------------


def test_a_sale_makes_a_receipt_and_takes_from_the_quantity(
    etsy: EtsySandbox, app: EtsyApp
) -> None:
    listing_id = app.publish("SKU-1", quantity=3)
    receipt = etsy.sell("SKU-1", 2)
    assert etsy.orders == app.shop("GET", "/receipts").json()["results"] == [receipt]
    assert etsy.listings[listing_id]["quantity"] == 1
    path = f"/receipts/{receipt['receipt_id']}"
    assert app.shop("GET", path).json() == receipt
    (sold,) = app.shop("GET", f"{path}/transactions").json()["results"]
    assert (sold["sku"], sold["quantity"], sold["listing_id"]) == ("SKU-1", 2, listing_id)
    assert app.shop("GET", "/receipts/1").status_code == 404
    with pytest.raises(ValueError, match="cannot be bought 2 times"):
        etsy.sell("SKU-1", 2)


def test_receipts_are_chosen_by_time_and_state(
    clock: ManualClock, etsy: EtsySandbox, app: EtsyApp
) -> None:
    app.publish("SKU-1", quantity=3)
    old, middle = etsy.sell("SKU-1"), etsy.sell("SKU-1")
    clock.advance(timedelta(minutes=1))
    new = etsy.sell("SKU-1")
    etsy.cancel_order(old["receipt_id"])
    now = f"{int(clock.now().timestamp())}"

    def chosen(**params: str) -> list[int]:
        answer = app.shop("GET", "/receipts", params=params)
        return [receipt["receipt_id"] for receipt in answer.json()["results"]]

    old_id, middle_id, new_id = (one["receipt_id"] for one in (old, middle, new))
    assert chosen() == [new_id, middle_id, old_id]
    assert chosen(sort_order="asc", limit="2") == [old_id, middle_id]
    assert chosen(min_created=now) == [new_id]
    assert chosen(min_last_modified=now, sort_on="receipt_id") == [new_id, old_id]
    assert chosen(was_canceled="true") == [old_id]
    assert chosen(was_canceled="false", was_paid="true", was_shipped="false") == [new_id, middle_id]
    for params in ({"min_created": "1"}, {"was_paid": "perhaps"}, {"sort_on": "price"}):
        assert app.shop("GET", "/receipts", params=params).status_code == 400


# --- the shop -------------------------------------------------------------------------------


def test_the_shop_and_what_is_set_up_in_it(etsy: EtsySandbox, app: EtsyApp) -> None:
    app.publish("SKU-1")
    me = {"user_id": etsy.user_id, "shop_id": etsy.shop_id}
    assert app.call("GET", "/users/me").json() == me
    shop = app.shop("GET", "").json()
    assert (shop["shop_id"], shop["listing_active_count"]) == (etsy.shop_id, 1)
    assert app.call("GET", f"/users/{etsy.user_id}/shops").json() == shop
    assert app.call("GET", "/openapi-ping").status_code == 200

    def only(answer: dict[str, Any]) -> Any:
        (one,) = answer["results"]
        return one

    profile = only(app.shop("GET", "/shipping-profiles").json())
    assert profile["shipping_profile_id"] == 9_001
    assert only(app.shop("GET", "/policies/return").json())["return_policy_id"] == 9_101
    state = only(app.shop("GET", "/readiness-state-definitions").json())
    assert state["readiness_state_id"] == 9_201
    nodes = app.call("GET", "/seller-taxonomy/nodes").json()["results"]
    assert {node["id"] for node in nodes} == {1, 66, 374, 1063}
