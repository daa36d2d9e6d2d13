"""Invented things, in Vinted's own shapes; the same number gives the same thing."""

from typing import Any

FIRST_ITEM = 4_000_000_000
FIRST_ORDER = 7_000_000_000
FIRST_CONVERSATION = 9_000_000_000


def example_item(number: int) -> dict[str, Any]:
    """Return an invented item."""
    return {
        "id": FIRST_ITEM + number,
        "title": f"Example item {number}",
        "price": {"amount": f"{5 + number % 60}.50", "currency_code": "EUR"},
        "brand": ("Sézane", "Levi's", "Zara", "Adidas")[number % 4],
        "url": f"https://www.vinted.fr/items/{FIRST_ITEM + number}",
    }


def example_order(number: int) -> dict[str, Any]:
    """Return an invented sale of the :func:`example_item` of the same number."""
    item = example_item(number)
    return {
        "id": FIRST_ORDER + number,
        "status": "paid",
        "buyer": {"id": 50 + number % 7, "login": f"buyer-{number % 7}"},
        "price": item["price"],
        "ordered_at": f"2026-01-{1 + number % 28:02}T12:00:00+00:00",
        "items": [{"id": item["id"], "title": item["title"]}],
    }


def example_conversation(number: int) -> dict[str, Any]:
    """Return an invented conversation, in which a buyer asks something."""
    return {
        "id": FIRST_CONVERSATION + number,
        "buyer": {"id": 50 + number % 7, "login": f"buyer-{number % 7}"},
        "messages": [{"id": number * 1_000, "text": "Is it still there?", "from_seller": False}],
    }
