"""A simulated eBay: ``EbaySandbox``.

    with EbaySandbox() as ebay:
        tokens = ebay.connect()        # or the real way: GET /oauth2/authorize on ebay.url
        ...                            # RUNTIME_EBAY_API_URL = RUNTIME_EBAY_AUTH_URL = ebay.url
        ebay.sell("SKU-1")

Operations have their names of eBay's documents, in ``asked``, ``done``, ``warnings`` and
``faults``; consent is ``authorize`` and the token endpoint ``token``. It serves those of
``operations.py``: OAuth; inventory items, offers, locations and three bulk calls of Inventory;
policies of Account; orders of Fulfillment; the rate limits of Analytics.

Its rules, with the ``errorId`` of each refusal:

- Any call: a token (401: 1002 missing, 1001 not good), with one of the scopes that the document
  names (403: 1100), and room in the quota of its API (429: 2001, no Retry-After). An address
  that eBay does not have is 404 with 2002. getRateLimits takes an application's token only.
- A body: ``Content-Type: application/json`` (415: 2004), an object, each field of its type
  (2004; so a price's ``value`` is a string and ``aspects`` an object of arrays: 25016).
- ``Content-Language`` such as ``fr-FR`` (25709) to store an item (one or in bulk), to create and
  to update an offer.
- An item: SKU of 1 to 50 letters, digits, ``-_.`` (25707); title to 80 and description to 4,000
  characters (25016); images at https (25014); quantity not negative (25004). PUT replaces all
  of it: 201 when new, otherwise 204. Unknown SKU: 404 with 25710.
- An offer: ``sku``, ``marketplaceId``, ``format`` (25709), of an item that is there (25702). A
  second one of the same three is 25002; its parameter ``offerId`` tells the first one, unless
  ``names_existing_offer`` is off. getOffers wants ``sku`` (25709); 404 with 25713 where the SKU
  has no offer, as for any unknown offer. PUT replaces all but sku, marketplace, format, status.
- To publish, and to change what is published: title, description (25016), an image (25014),
  condition (25021), categoryId (25005), price (25003), ``listingDuration`` GTC (25006), a
  quantity above 0 in offer or item (25004; not asked of what is live), a location that exists
  (25012), and policies that exist on the offer's marketplace (25007 fulfillment, 25008 payment,
  25009 return). All that is missing is named at once. An offer that is published is refused
  (25002), as is withdrawing one that is not. Each publication is a ``Fee``.
- At most 250 revisions of a listing a day (25019). A write while another of the same SKU is
  held back (``Fault.SLOW``): 500 with 25025.
- Bulk calls answer 207 where a row failed, and take 1 to 25 rows (25730).
- Pages of items and offers: ``limit`` to 200, ``offset`` counts pages (25706). Of orders:
  ``limit`` to 200 (31100), ``offset`` counts orders (31000). ``next`` is absolute, and missing
  on the last page. getOrders filters by creationdate, lastmodifieddate, orderfulfillmentstatus
  (30700 to 30850), in the last 90 days unless told otherwise, up to two years.
- Tokens: access 7,200 s; a refresh brings no refresh token and leaves the old one good; scopes
  can only be narrowed (``invalid_scope``); the redirect URI is the RuName.

Where eBay's documents say nothing (whether publishing twice is refused, what a wrong content
type answers, 404 of getOffers) this is a choice, the stricter one.
"""

from plugins.ebay.sandbox.oauth import SCOPES
from plugins.ebay.sandbox.server import EbaySandbox

__all__ = ["SCOPES", "EbaySandbox"]
