"""A seller's account on Vinted: items, sales and conversations, all remembered."""

import copy
import math
import threading
from collections.abc import Iterable
from itertools import count
from typing import Any, Self

from plugins.vinted.protocol import MAX_PER_PAGE
from plugins.vinted.sandbox.examples import example_item

FIRST_NEW_ID = 5_000_000_000

Thing = dict[str, Any]


class Wardrobe:
    """The items, orders and conversations of a seller on Vinted, the newest first.

    Args:
        shop_id: the account that owns the wardrobe; None means any account that is asked for.
    """

    def __init__(self, items: Iterable[Thing] = (), *, shop_id: str | None = None) -> None:
        self.shop_id = shop_id
        self._items = list(items)
        self._orders: list[Thing] = []
        self._conversations: dict[str, Thing] = {}
        self._ids = count(FIRST_NEW_ID)
        # Several tabs, each with a thread, may share one wardrobe.
        self._lock = threading.RLock()

    @classmethod
    def of(cls, size: int, *, shop_id: str | None = None) -> Self:
        """Return a wardrobe with ``size`` invented items."""
        # The highest number is the newest, and stands first.
        return cls((example_item(number) for number in range(size, 0, -1)), shop_id=shop_id)

    def items(self) -> list[Thing]:
        """Return a copy of the list of items."""
        with self._lock:
            return copy.deepcopy(self._items)

    def titles(self) -> list[str]:
        """Return the titles of all items."""
        return [str(item.get("title")) for item in self.items()]

    def add(self, item: Thing) -> None:
        """Put a new item on top."""
        with self._lock:
            self._items.insert(0, item)

    def make(self, details: Thing) -> Thing:
        """Put a new item with an id of its own on top; return a copy of the item."""
        with self._lock:
            new = next(self._ids)
            item = {"id": new, "url": f"https://www.vinted.fr/items/{new}", **details}
            self.add(item)
            return copy.deepcopy(item)

    def find(self, item_id: object) -> Thing | None:
        """Return a copy of the item, or None if it is not there."""
        with self._lock:
            position = self._position(item_id)
            return None if position is None else copy.deepcopy(self._items[position])

    def change(self, item_id: object, details: Thing) -> Thing | None:
        """Change an item without moving it; return a copy, or None if it is not there."""
        with self._lock:
            position = self._position(item_id)
            if position is None:
                return None
            self._items[position] = {**self._items[position], **details}
            return copy.deepcopy(self._items[position])

    def remove(self, item_id: object) -> Thing | None:
        """Take the item out and return it, or return None if it is not there."""
        with self._lock:
            position = self._position(item_id)
            return None if position is None else self._items.pop(position)

    def page(self, number: int, per_page: int = MAX_PER_PAGE) -> Thing:
        """Return one page of the items, in Vinted's own shape; pages are counted from 1."""
        return _page("items", self.items(), number, per_page)

    def sell(self, order: Thing) -> None:
        """Add a new sale, and take the items that it sold out."""
        with self._lock:
            self._orders.insert(0, order)
            for item in order.get("items", ()):
                self.remove(item.get("id"))

    def withdraw_sale(self, order_id: object) -> None:
        """Remove a sale from the list, as happens when its buyer is gone."""
        with self._lock:
            self._orders = [one for one in self._orders if one["id"] != order_id]

    def orders_page(self, number: int, per_page: int = MAX_PER_PAGE) -> Thing:
        """Return one page of the sales; pages are counted from 1."""
        with self._lock:
            return _page("orders", copy.deepcopy(self._orders), number, per_page)

    def open_conversation(self, conversation: Thing) -> None:
        """Add a conversation that a buyer began."""
        with self._lock:
            self._conversations[str(conversation["id"])] = conversation

    def conversation(self, conversation_id: object) -> Thing | None:
        """Return a copy of a conversation, or None if it is not there."""
        with self._lock:
            return copy.deepcopy(self._conversations.get(str(conversation_id)))

    def say(self, conversation_id: object, message: Thing) -> Thing | None:
        """Add a message with a new id; return a copy, or None if there is no such conversation."""
        with self._lock:
            conversation = self._conversations.get(str(conversation_id))
            if conversation is None:
                return None
            said = {"id": next(self._ids), **message}
            conversation["messages"].append(said)
            return copy.deepcopy(said)

    def _position(self, item_id: object) -> int | None:
        # Payloads name items by text, and Vinted by number.
        wanted = str(item_id)
        places = (place for place, one in enumerate(self._items) if str(one.get("id")) == wanted)
        return next(places, None)


def _page(name: str, things: list[Thing], number: int, per_page: int) -> Thing:
    # No page is larger, whatever is asked for.
    per_page = min(per_page, MAX_PER_PAGE)
    return {
        name: things[(number - 1) * per_page : number * per_page],
        "pagination": {
            "current_page": number,
            "total_pages": math.ceil(len(things) / per_page),
            "per_page": per_page,
            "total_entries": len(things),
        },
    }
