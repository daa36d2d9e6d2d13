"""Inventory items, which are the things to sell, by SKU."""

import copy

from plugins.ebay.sandbox.errors import error, refused
from plugins.ebay.sandbox.listing_check import demand_publishable
from plugins.ebay.sandbox.request_reader import body_of, checked_sku, language_of, page_of, typed
from plugins.ebay.sandbox.state import EbayState, Record
from runtime.sandbox import Answer, Call, Refused

MAX_TITLE = 80
MAX_DESCRIPTION = 4_000
# A PUT stores these and drops all others: fields that it leaves out are gone, as on eBay.
_WRITABLE = (
    "availability", "condition", "conditionDescription", "conditionDescriptors",
    "packageWeightAndSize", "product",
)  # fmt: skip


class ItemOperations:
    """The operations on inventory items."""

    def __init__(self, state: EbayState) -> None:
        self._state = state

    def put(self, call: Call) -> Answer:
        """createOrReplaceInventoryItem: 201 when new, otherwise 204; replaces all of it."""
        language = language_of(call.request)
        return self.store(call.path["sku"], language, body_of(call.request))

    def store(self, sku: str, language: str, body: Record) -> Answer:
        """Make or replace an item; a live offer must stay publishable, and is revised."""
        checked_sku(sku)
        _check(body)
        item = {name: body[name] for name in _WRITABLE if name in body}
        item |= {"sku": sku, "locale": language.replace("-", "_")}
        # Everything is checked before anything is changed: a refused request changes nothing.
        live = self._state.live_offers_of(sku)
        for offer in live:
            demand_publishable(self._state, item, offer)
        for offer in live:
            self._state.revise(offer)
        status = 204 if sku in self._state.items else 201
        self._state.items[sku] = copy.deepcopy(item)
        return Answer(status, None if status == 204 else {})

    def get(self, call: Call) -> Answer:
        """getInventoryItem: by its SKU."""
        return Answer(200, copy.deepcopy(self._found(call)))

    def list_page(self, call: Call, base: str) -> Answer:
        """getInventoryItems: at most 200 a page, ``offset`` counts pages."""
        # The order is the same at each request, so that pages fit together.
        rows = [copy.deepcopy(self._state.items[sku]) for sku in sorted(self._state.items)]
        page = page_of(call.request, base, rows, "inventoryItems", largest=200, usual=25)
        return Answer(200, page)

    def delete(self, call: Call) -> Answer:
        """deleteInventoryItem: its offers go too, and its listings end."""
        item = self._found(call)
        # So eBay does it: with the item go its offers, and with a published offer goes its listing.
        for offer in self._state.offers_of(item["sku"]):
            del self._state.offers[offer["offerId"]]
        del self._state.items[item["sku"]]
        return Answer(204)

    def put_many(self, call: Call) -> Answer:
        """bulkCreateOrReplaceInventoryItem: a status for each row, and 207 where one failed."""
        language = language_of(call.request)
        rows = []
        for one in rows_of(body_of(call.request)):
            row: Record = {"sku": str(one.get("sku")), "locale": language.replace("-", "_")}
            try:
                # A row that fails leaves the others alone, so a client has to read every row.
                row["statusCode"] = self.store(one.get("sku", ""), language, one).status
            except Refused as refusal:
                row |= failed_row(refusal)
            rows.append(row)
        return many(rows)

    def _found(self, call: Call) -> Record:
        try:
            return self._state.items[call.path["sku"]]
        except KeyError:
            raise refused(404, 25710) from None


def rows_of(body: Record) -> list[Record]:
    """Return the requests of a bulk call: 1 to 25 objects.

    Raises:
        Refused: the body holds something else.
    """
    rows = body.get("requests")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise refused(400, 2004, "Could not serialize field [requests]")
    if not 1 <= len(rows) <= 25:
        raise refused(400, 25730, "25")
    return rows


def many(rows: list[Record]) -> Answer:
    """Return the answer to a bulk call."""
    return Answer(207 if any(row.get("errors") for row in rows) else 200, {"responses": rows})


def failed_row(refusal: Refused) -> Record:
    """Return the status and the errors of a row that failed."""
    return {"statusCode": refusal.answer.status, "errors": refusal.answer.body["errors"]}


def _check(body: Record) -> None:
    title = typed(body, "product.title", str)
    description = typed(body, "product.description", str)
    images = typed(body, "product.imageUrls", list)
    quantity = typed(body, "availability.shipToLocationAvailability.quantity", int)
    aspects = typed(body, "product.aspects", dict)
    typed(body, "condition", str)
    # All mistakes are named at once, as eBay does.
    errors = []
    if title is not None and not 0 < len(title) <= MAX_TITLE:
        errors.append(error(25016, "title", fieldName="title"))
    if description is not None and len(description) > MAX_DESCRIPTION:
        errors.append(error(25016, "description", fieldName="description"))
    if quantity is not None and quantity < 0:
        errors.append(error(25004, "It must not be negative."))
    if images is not None and not all(_is_image_url(url) for url in images):
        errors.append(error(25014, "Each must be an https address."))
    if not all(isinstance(values, list) for values in (aspects or {}).values()):
        errors.append(error(25016, "aspects", fieldName="aspects"))
    if errors:
        raise Refused(Answer(400, {"errors": errors}))


def _is_image_url(url: object) -> bool:
    return isinstance(url, str) and url.startswith("https://")
