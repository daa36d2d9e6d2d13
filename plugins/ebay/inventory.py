"""Inventory items: the things to sell, by SKU (Inventory API)."""

import copy
from typing import Any

from plugins.ebay.client import EbayClient, LinkedPage, part
from plugins.ebay.errors import Record, is_gone
from runtime import RejectionSuppressed

ITEMS = "/sell/inventory/v1/inventory_item"
# eBay gives no more on one page.
PAGE_SIZE = 200
_READ_ONLY = ("sku", "locale", "groupIds", "inventoryItemGroupKeys")


class Inventory:
    """The operations on inventory items that handlers need."""

    def __init__(self, client: EbayClient) -> None:
        self._client = client

    async def find(self, sku: str) -> Record | None:
        """Return the item in a form that can be written back, or None if there is none.

        Raises:
            CallRejected
        """
        with RejectionSuppressed(is_gone):
            return _writable(await self._client.read(_address(sku)))
        return None

    async def put(self, sku: str, item: Record) -> None:
        """Make the item, or replace all of it."""
        await self._client.write("PUT", _address(sku), item)

    async def delete(self, sku: str) -> bool:
        """Delete the item and its offers, and end their listings; return whether it was there."""
        with RejectionSuppressed(is_gone):
            await self._client.write("DELETE", _address(sku))
            return True
        return False

    async def page(self, following: str | None = None) -> LinkedPage:
        """Read the first page of all items, or the page that another page named as its next."""
        if following is not None:
            return await self._client.page(following, "inventoryItems")
        return await self._client.page(ITEMS, "inventoryItems", limit=f"{PAGE_SIZE}")


def merged(known: Record, changes: Record) -> Record:
    """Return the known data with the changes: objects are merged, and all else is replaced."""
    # A copy, because callers compare the result with the known data to see whether to write at all.
    result: dict[str, Any] = copy.deepcopy(known)
    for name, value in changes.items():
        former = result.get(name)
        both = isinstance(former, dict) and isinstance(value, dict)
        result[name] = merged(former, value) if both else copy.deepcopy(value)  # type: ignore[arg-type]
    return result


def _address(sku: str) -> str:
    return f"{ITEMS}/{part(sku)}"


def _writable(item: Record) -> Record:
    """Return the item without the fields that eBay tells but does not accept."""
    writable = {name: value for name, value in item.items() if name not in _READ_ONLY}
    availability = writable.get("availability")
    stock = availability.get("shipToLocationAvailability") if availability else None
    if isinstance(stock, dict) and "allocationByFormat" in stock:
        writable = copy.deepcopy(writable)
        del writable["availability"]["shipToLocationAvailability"]["allocationByFormat"]
    return writable
