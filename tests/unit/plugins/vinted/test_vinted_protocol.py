"""The documented protocol is the one that is spoken."""

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from plugins.vinted.errors import Trouble, trouble_of
from plugins.vinted.protocol import PROTOCOL, json_schema
from plugins.vinted.sandbox import Extension, Wardrobe, example_conversation, example_order
from runtime.errors import CallRejected
from tests.support.checkout import CHECKOUT

PAGE = (CHECKOUT / "docs/protocol.md").read_text()
PRODUCT = {
    "sku": "A-1", "title": "Robe", "description": "Bleue", "price": "12.50", "currency": "EUR",
    "quantity": 1, "brand": None, "condition": None, "category": None, "size": None, "color": None,
    "images": ["https://img.example/1.jpg"], "attributes": {},
}  # fmt: skip
WANTED = {"shop_id": "123", "page": 1, "per_page": 96}


def payloads(wardrobe: Wardrobe) -> list[Any]:
    """One payload for each kind of answer."""
    named = {"shop_id": "123", "reference": "job-1-1"}
    item = str(wardrobe.items()[0]["id"])
    talk = example_conversation(1)["id"]
    return [
        ("VINTED_PUBLISH", {**named, "product": PRODUCT}),
        ("VINTED_UPDATE", {**named, "item_id": item, "product": PRODUCT}),
        ("VINTED_MESSAGE", {**named, "conversation_id": str(talk), "text": "Yes."}),
        ("VINTED_SYNC", WANTED),
        ("VINTED_GET_WARDROBE", WANTED),
        ("VINTED_ORDERS", WANTED),
        ("VINTED_API_CALL", {"method": "GET", "endpoint": f"/items/{item}", "data": None}),
        ("VINTED_API_CALL", {"method": "GET", "endpoint": f"/conversations/{talk}", "data": None}),
        ("VINTED_DELETE", {**named, "item_id": item}),
    ]


def test_the_page_shows_the_schemas_of_the_code() -> None:
    (block,) = re.findall(r"```json\n(\{\"\$defs\".*?)\n```", PAGE, re.DOTALL)
    assert json.loads(block) == json_schema()


def test_the_page_lists_the_actions_with_their_shapes() -> None:
    rows = re.findall(r"^\| `(VINTED_\w+)` \| \w+ \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    documented = {
        action: re.findall(r"`([A-Z]\w+)`", f"{sent} {back}") for action, sent, back in rows
    }
    assert documented == {
        action: [model.__name__ for model in (one.payload, *one.answers)]
        for action, one in PROTOCOL.items()
    }


def test_the_page_says_what_each_refusal_means() -> None:
    titles = {
        "session ended": Trouble.SESSION_ENDED,
        "captcha, blocked": Trouble.BLOCKED,
        "cool down": Trouble.COOL_DOWN,
        "gone": Trouble.GONE,
        "invalid": Trouble.INVALID,
    }
    for title, trouble in titles.items():
        (row,) = re.findall(rf"^\| {title} \| (.*?) \| (.*?) \|", PAGE, re.MULTILINE)
        codes, statuses = re.findall(r"`(\w+)`", row[0]), re.findall(r"\d+", row[1])
        assert codes
        assert statuses
        for code in codes:
            assert trouble_of(CallRejected("", error_code=code)) is trouble
        for status in statuses:
            assert trouble_of(CallRejected("", status=int(status))) is trouble


def test_the_sandbox_answers_every_action_in_its_documented_shape() -> None:
    wardrobe = Wardrobe.of(3, shop_id="123")
    wardrobe.open_conversation(example_conversation(1))
    wardrobe.sell(example_order(9))
    extension = Extension(wardrobe)
    for action, payload in payloads(wardrobe):
        PROTOCOL[action].is_payload(payload)
        response = extension.execute(action, payload)
        assert response["success"], response
        PROTOCOL[action].is_answer(response["data"])
    assert {action for action, _ in extension.answers} == set(PROTOCOL)


@pytest.mark.parametrize("action", sorted(PROTOCOL))
def test_the_sandbox_refuses_what_has_another_shape(action: str) -> None:
    extension = Extension(Wardrobe.of(3))
    for payload in ({}, {"shop_id": 7}, {**WANTED, "page": 0}, {**WANTED, "more": 1}):
        assert extension.execute(action, payload)["error_code"] == "invalid"


@pytest.mark.parametrize(
    "details",
    [
        {"user": {"id": 123, "login": "me"}, "price": "12.50", "currency": "EUR"},
        {"user": None, "user_id": "123", "description": "Bleue"},
        {"brand": {"id": 5, "title": "Zara"}, "status": "good", "catalog_id": 1904, "size": None},
        {
            "condition": "good",
            "category": {"title": "Dresses"},
            "size_title": "M",
            "color1": "blue",
        },
        {"brand_title": "Zara", "color": {"title": None}, "photos": [{"full_size_url": "x"}]},
        {"photos": [{"url": "x", "full_size_url": None}, {"url": "x", "full_size_url": "y"}]},
    ],
)
def test_an_item_may_say_everything_that_a_product_is_made_of(details: dict[str, Any]) -> None:
    PROTOCOL["VINTED_API_CALL"].is_answer({"item": {"id": 1, **details}})


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("VINTED_PUBLISH", {}),
        ("VINTED_PUBLISH", {"item": {"url": "x"}}),
        ("VINTED_ORDERS", {"orders": [{}], "pagination": {"current_page": 1, "total_pages": 1}}),
        ("VINTED_GET_WARDROBE", {"items": []}),
        ("VINTED_SYNC", {"imported": -1, "updated": 0, "errors": 0}),
        ("VINTED_API_CALL", {"conversation": {"id": 1}}),
        ("VINTED_API_CALL", {"item": {"id": 1, "photos": [{}]}}),
        ("VINTED_API_CALL", {"item": {"id": 1, "photos": [{"url": None}]}}),
        ("VINTED_API_CALL", {"item": {"id": 1, "user": {"id": True}}}),
        ("VINTED_API_CALL", {"item": {"id": 1, "brand": ["Zara"]}}),
    ],
)
def test_a_shape_can_be_missed(action: str, answer: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PROTOCOL[action].is_answer(answer)
