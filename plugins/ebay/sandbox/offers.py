"""Offers, which hold the terms of an item's sale; a published offer is a listing."""

import copy

from plugins.ebay.sandbox.errors import error, refused
from plugins.ebay.sandbox.items import failed_row, many, rows_of
from plugins.ebay.sandbox.listing_check import demand_publishable
from plugins.ebay.sandbox.request_reader import body_of, checked_sku, language_of, page_of, typed
from plugins.ebay.sandbox.state import EbayFee, EbayState, Record
from runtime.sandbox import Answer, Call, Refused

FORMATS = ("FIXED_PRICE", "AUCTION")
_KEPT = ("offerId", "sku", "marketplaceId", "format", "status", "listing")


class OfferOperations:
    """The operations on offers.

    Attributes:
        names_existing: whether error 25002 of createOffer tells the id of the offer that exists,
            as it usually does.
    """

    def __init__(self, state: EbayState) -> None:
        self._state = state
        self.names_existing = True

    def create(self, call: Call) -> Answer:
        """Make an offer; there can be one for each SKU, marketplace and format (createOffer)."""
        language_of(call.request)
        body = body_of(call.request)
        sku = checked_sku(body.get("sku"))
        _check(body)
        for name in ("marketplaceId", "format"):
            if not typed(body, name, str):
                raise refused(400, 25709, name, fieldName=name)
        if body["format"] not in FORMATS:
            raise refused(400, 25709, "format", fieldName="format")
        if sku not in self._state.items:
            raise refused(400, 25702, sku, skuValue=sku)
        self._demand_new(sku, body)
        offer_id = f"{8_000_000_000 + self._state.next_number()}"
        self._state.offers[offer_id] = {
            **copy.deepcopy(body), "offerId": offer_id, "sku": sku, "status": "UNPUBLISHED"
        }  # fmt: skip
        return Answer(201, {"offerId": offer_id})

    def get(self, call: Call) -> Answer:
        """Read an offer by its id (getOffer)."""
        return Answer(200, copy.deepcopy(self._found(call.path["offerId"])))

    def list_page(self, call: Call, base: str) -> Answer:
        """Read the offers of one SKU, which must be given (getOffers); 404 with 25713 if none."""
        query = dict(call.request.query_pairs())
        if not query.get("sku"):
            raise refused(400, 25709, "sku", fieldName="sku")
        rows = [
            copy.deepcopy(offer)
            for offer in self._state.offers_of(query["sku"])
            if query.get("marketplace_id") in {None, offer["marketplaceId"]}
            and query.get("format") in {None, offer["format"]}
        ]
        # Not an empty page: eBay says "not found" of a SKU without an offer, and a client must not
        # take that for an address that leads nowhere.
        if not rows:
            raise refused(404, 25713, query["sku"])
        return Answer(200, page_of(call.request, base, rows, "offers", largest=200, usual=100))

    def update(self, call: Call) -> Answer:
        """Replace all of an offer; a live offer must keep what publishing needs (updateOffer)."""
        language_of(call.request)
        body = body_of(call.request)
        _check(body)
        offer = self._found(call.path["offerId"])
        # Only the terms of an offer can change; terms that are left out are gone.
        changed = copy.deepcopy(body) | {name: offer[name] for name in _KEPT if name in offer}
        if offer["status"] == "PUBLISHED":
            demand_publishable(self._state, self._state.items[offer["sku"]], changed)
            self._state.revise(offer)
        self._state.offers[offer["offerId"]] = changed
        return Answer(200, {"offerId": offer["offerId"]})

    def delete(self, call: Call) -> Answer:
        """Delete an offer, and end its listing (deleteOffer)."""
        del self._state.offers[self._found(call.path["offerId"])["offerId"]]
        return Answer(204)

    def publish(self, call: Call) -> Answer:
        """Make the listing, which costs money; refuse an offer that is live (publishOffer)."""
        return Answer(200, {"listingId": self.make_listing(call.path["offerId"])})

    def make_listing(self, offer_id: str) -> str:
        """Publish an offer; returns the listing's id."""
        offer = self._found(offer_id)
        if offer["status"] == "PUBLISHED":
            raise refused(400, 25002, "The offer is already published.", offerId=offer_id)
        demand_publishable(self._state, self._state.items[offer["sku"]], offer)
        listing_id = f"{110_000_000_000 + self._state.next_number()}"
        offer["status"] = "PUBLISHED"
        offer["listing"] = {
            "listingId": listing_id, "listingStatus": "ACTIVE", "soldQuantity": 0
        }  # fmt: skip
        self._state.fees.append(EbayFee("publishOffer", listing_id, self._state.now()))
        return listing_id

    def withdraw(self, call: Call) -> Answer:
        """End the listing and keep the offer (withdrawOffer)."""
        offer = self._found(call.path["offerId"])
        if offer["status"] != "PUBLISHED":
            raise refused(400, 25002, "The offer is not published.")
        # The offer stays, and can be published again years later: with the terms that it has then.
        offer["status"] = "UNPUBLISHED"
        return Answer(200, {"listingId": offer.pop("listing")["listingId"]})

    def publish_many(self, call: Call) -> Answer:
        """Publish many, with a status for each row, and 207 if a row failed (bulkPublishOffer)."""
        requested = rows_of(body_of(call.request))
        ids = [str(row.get("offerId")) for row in requested]
        if len(set(ids)) < len(ids):
            raise refused(400, 25731)
        rows = []
        for offer_id in ids:
            row: Record = {"offerId": offer_id}
            try:
                row |= {"listingId": self.make_listing(offer_id), "statusCode": 200}
            except Refused as refusal:
                row |= failed_row(refusal)
            rows.append(row)
        return many(rows)

    def reprice_many(self, call: Call) -> Answer:
        """Set quantities of items, prices and quantities of offers (bulkUpdatePriceQuantity)."""
        rows: list[Record] = []
        for one in rows_of(body_of(call.request)):
            sku = str(one.get("sku"))
            for offer in one.get("offers") or []:
                row: Record = {"sku": sku, "offerId": str(offer.get("offerId"))}
                try:
                    self._reprice(offer)
                    rows.append(row | {"statusCode": 200})
                except Refused as refusal:
                    rows.append(row | failed_row(refusal))
            quantity = typed(one, "shipToLocationAvailability.quantity", int)
            if quantity is None:
                continue
            if item := self._state.items.get(sku):
                ship_to = item.setdefault("availability", {})
                ship_to.setdefault("shipToLocationAvailability", {})["quantity"] = quantity
                rows.append({"sku": sku, "statusCode": 200})
            else:
                missing = error(25702, sku, skuValue=sku)
                rows.append({"sku": sku, "statusCode": 404, "errors": [missing]})
        return many(rows)

    def _reprice(self, change: Record) -> None:
        offer = self._found(str(change.get("offerId")))
        price = typed(change, "price", dict)
        typed(change, "price.value", str)
        quantity = typed(change, "availableQuantity", int)
        if offer["status"] == "PUBLISHED":
            self._state.revise(offer)
        if price is not None:
            offer.setdefault("pricingSummary", {})["price"] = dict(price)
        if quantity is not None:
            offer["availableQuantity"] = quantity

    def _demand_new(self, sku: str, body: Record) -> None:
        for offer in self._state.offers_of(sku):
            # A repeated createOffer is no new offer but this error, by which a client finds the
            # first one.
            if all(offer[name] == body[name] for name in ("marketplaceId", "format")):
                named = {"offerId": offer["offerId"]} if self.names_existing else {}
                raise refused(400, 25002, "Offer entity already exists.", **named)

    def _found(self, offer_id: str) -> Record:
        try:
            return self._state.offers[offer_id]
        except KeyError:
            raise refused(404, 25713, offer_id) from None


def _check(body: Record) -> None:
    value = typed(body, "pricingSummary.price.value", str)
    currency = typed(body, "pricingSummary.price.currency", str)
    quantity = typed(body, "availableQuantity", int)
    typed(body, "listingPolicies", dict)
    typed(body, "categoryId", str)
    if value is not None and (not _is_price(value) or currency is None):
        raise refused(400, 25003, f"{value} {currency}")
    if quantity is not None and quantity < 0:
        raise refused(400, 25004, f"{quantity}")


def _is_price(value: str) -> bool:
    whole, dot, cents = value.partition(".")
    return whole.isdecimal() and (not dot or cents.isdecimal()) and float(value) > 0
