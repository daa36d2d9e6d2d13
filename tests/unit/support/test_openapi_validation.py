"""The check against the marketplaces' documents: it must find what is wrong."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from runtime.sandbox import Answer, Exchange, Request
from tests.support.marketplaces.openapi_validation import FORM, Documents, required_documents
from tests.support.marketplaces.sandboxes import ebay_item, ebay_offer, etsy_form, etsy_product

INVENTORY = "/sell/inventory/v1"
EBAY_HEADERS = {
    "authorization": "Bearer token",
    "content-type": "application/json",
    "content-language": "fr-FR",
}
ETSY_HEADERS = {"authorization": "Bearer 7001.token", "x-api-key": "keystring:secret"}


@pytest.fixture(scope="module")
def ebay() -> Documents:
    return required_documents("ebay")


@pytest.fixture(scope="module")
def etsy() -> Documents:
    return required_documents("etsy")


def put_item(item: Any) -> Request:
    path = f"{INVENTORY}/inventory_item/SKU-1"
    return Request("PUT", path, "", EBAY_HEADERS, json.dumps(item).encode())


def post_offer(offer: Any) -> Request:
    return Request("POST", f"{INVENTORY}/offer", "", EBAY_HEADERS, json.dumps(offer).encode())


def post_draft(form: Any) -> Request:
    headers = ETSY_HEADERS | {"content-type": FORM}
    path = "/v3/application/shops/5001/listings"
    return Request("POST", path, "", headers, urlencode(form).encode())


def put_inventory(body: Any) -> Request:
    headers = ETSY_HEADERS | {"content-type": "application/json"}
    path = "/v3/application/listings/1/inventory"
    return Request("PUT", path, "", headers, json.dumps(body).encode())


def get(path: str, query: str = "", headers: dict[str, str] | None = None) -> Request:
    return Request("GET", path, query, headers or {"authorization": "Bearer token"})


def without(request: Request, name: str) -> Request:
    return replace(request, headers={k: v for k, v in request.headers.items() if k != name})


def problem(documents: Documents, request: Request, answer: Answer | None = None) -> str:
    """The one thing that is wrong; nothing where all is in order."""
    problems = documents.problems(Exchange(request, None, answer or Answer(500)))
    assert len(problems) <= 1, problems
    return problems[0] if problems else ""


def test_good_requests_pass(ebay: Documents, etsy: Documents) -> None:
    for request in (
        put_item(ebay_item()),
        post_offer(ebay_offer("SKU-1")),
        Request("POST", f"{INVENTORY}/offer/1/publish", "", {"authorization": "Bearer token"}),
        get("/sell/fulfillment/v1/order", "limit=200&filter=creationdate%3A%5B2026..%5D"),
        get("/developer/analytics/v1_beta/rate_limit/"),
        get("/oauth2/authorize", "anything=goes"),
    ):
        assert not problem(ebay, request)
    for request in (
        post_draft(etsy_form()),
        put_inventory({"products": [etsy_product("SKU-1")]}),
        get("/v3/application/shops/5001/listings", "includes=Images,Inventory", ETSY_HEADERS),
        get("/v3/application/openapi-ping", "", {"x-api-key": "keystring:secret"}),
    ):
        assert not problem(etsy, request)


def test_what_is_not_documented_is_found(ebay: Documents, etsy: Documents) -> None:
    documented = "no such operation is documented"
    assert documented in problem(ebay, get("/sell/inventory/v2/offer"))
    assert documented in problem(ebay, get(f"{INVENTORY}/offer/1/publish"))
    assert "query: page is not" in problem(ebay, get(f"{INVENTORY}/inventory_item", "page=1"))
    assert "$: Additional" in problem(ebay, put_item(ebay_item() | {"colour": "red"}))
    assert "$.product: Additional" in problem(ebay, put_item(ebay_item(colour="red")))
    assert "form: sku is not" in problem(etsy, post_draft(etsy_form(sku="SKU-1")))


def test_what_is_required_is_missed(ebay: Documents, etsy: Documents) -> None:
    request = put_item(ebay_item())
    assert "Content-Language is missing" in problem(ebay, without(request, "content-language"))
    assert "Authorization must be" in problem(ebay, without(request, "authorization"))
    assert "marketplace_id is missing" in problem(ebay, get("/sell/account/v1/return_policy"))
    assert "form: title is missing" in problem(etsy, post_draft(etsy_form(title="")))
    product = etsy_product("SKU-1")
    del product["offerings"][0]["readiness_state_id"]
    assert "readiness_state_id" in problem(etsy, put_inventory({"products": [product]}))


def test_an_etsy_key_has_its_secret(etsy: Documents) -> None:
    headers = ETSY_HEADERS | {"x-api-key": "keystring"}
    found = problem(etsy, get("/v3/application/users/me", "", headers))
    assert "keystring:shared_secret" in found
    assert "keystring:shared_secret" in problem(etsy, get("/v3/application/openapi-ping"))


def test_types_are_checked(ebay: Documents, etsy: Documents) -> None:
    price = {"price": {"value": 12.5, "currency": "EUR"}}
    offer = ebay_offer("SKU-1", pricingSummary=price)
    assert "12.5 is not of type 'string'" in problem(ebay, post_offer(offer))
    assert "form: quantity" in problem(etsy, post_draft(etsy_form(quantity="one")))
    assert "form: who_made" in problem(etsy, post_draft(etsy_form(who_made="my_aunt")))
    assert "path: shop_id" in problem(
        etsy, get("/v3/application/shops/mine/listings", "", ETSY_HEADERS)
    )
    assert "query: limit" in problem(
        etsy, get("/v3/application/shops/1/listings", "limit=101", ETSY_HEADERS)
    )


def test_aspects_are_an_object_of_arrays_whatever_the_document_says(ebay: Documents) -> None:
    assert "$.product.aspects" in problem(ebay, put_item(ebay_item(aspects="Marque: Zara")))
    assert "$.product.aspects" in problem(ebay, put_item(ebay_item(aspects={"Marque": "Zara"})))


def test_a_form_array_is_one_value_with_commas(etsy: Documents) -> None:
    form = [*etsy_form(tags="a").items(), ("tags", "b")]
    assert "tags comes twice" in problem(etsy, post_draft(form))
    assert "tags[] is not documented" in problem(etsy, post_draft(etsy_form(**{"tags[]": "a"})))
    ids = etsy_form(image_ids="1,two")
    assert "form: image_ids" in problem(etsy, post_draft(ids))


def test_the_content_type_is_the_documented_one(ebay: Documents, etsy: Documents) -> None:
    draft = post_draft(etsy_form())
    draft = replace(draft, headers={**draft.headers, "content-type": "application/json"})
    assert "is none of ['application/x-www-form-urlencoded']" in problem(etsy, draft)
    path = f"{INVENTORY}/offer/1/publish"
    assert "a body is not documented" in problem(
        ebay, Request("POST", path, "", EBAY_HEADERS, b"{}")
    )


def test_good_answers_are_checked_too(ebay: Documents, etsy: Documents) -> None:
    request = get(f"{INVENTORY}/offer/1")
    assert not problem(ebay, request, Answer(200, {"offerId": "1"}))
    assert not problem(ebay, request, Answer(404, {"errors": []}))
    assert "$.offerId" in problem(ebay, request, Answer(200, {"offerId": 1}))
    assert "Additional" in problem(ebay, request, Answer(200, {"offer": "1"}))
    assert "answer 201 is not documented" in problem(ebay, request, Answer(201, {}))
    assert "is not of type" in problem(ebay, request, Answer(200))
    deletion = Request("DELETE", "/v3/application/listings/1", "", ETSY_HEADERS)
    assert "answer 204 has a body" in problem(etsy, deletion, Answer(204, {}))


def test_a_bulk_answer_with_a_failed_row_is_of_the_same_shape(ebay: Documents) -> None:
    body = {"requests": [{"offerId": "1"}]}
    request = Request(
        "POST", f"{INVENTORY}/bulk_publish_offer", "", EBAY_HEADERS, json.dumps(body).encode()
    )
    assert not problem(ebay, request, Answer(207, {"responses": [{"statusCode": 404}]}))
    assert "Additional" in problem(ebay, request, Answer(207, {"rows": []}))


def test_null_is_allowed_where_the_document_says_so(etsy: Documents) -> None:
    request = get("/v3/application/listings/1", "", ETSY_HEADERS)
    assert not problem(etsy, request, Answer(200, {"return_policy_id": None}))
    assert "$.title" in problem(etsy, request, Answer(200, {"title": None}))
