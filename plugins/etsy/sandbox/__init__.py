"""A simulated Etsy: ``EtsySandbox``.

    with EtsySandbox() as etsy:
        tokens = etsy.connect()        # or the real way: GET /oauth/connect on etsy.url
        ...                            # RUNTIME_ETSY_API_URL = RUNTIME_ETSY_AUTH_URL = etsy.url
        etsy.sell("SKU-1")

Operations have their names of Etsy's document, in ``asked``, ``done`` and ``faults``; consent is
``authorize`` and the token endpoint ``token``. Served are those of ``operations.py``, below
``/v3/application``.

Its rules:

- Any call: ``x-api-key: keystring:shared_secret`` (401 unknown keystring, 403 wrong or missing
  secret). One that the document gives a scope also wants ``Authorization: Bearer
  <user id>.<token>`` (401 ``invalid_token``, 403 ``insufficient_scope``). Every answer has
  ``x-limit-per-second``, ``x-remaining-this-second``, ``x-limit-per-day`` and
  ``x-remaining-today``; a 429 also has ``retry-after`` unless ``limits.tells_when`` is off.
  ``Fault.LIMITED`` is a 429 with exactly the headers that are planned.
- Errors: ``{"error"}``; of consent and tokens ``{"error", "error_description"}``; of an
  inventory ``[{path, type, message}]``.
- createDraftListing, updateListing: a form. Arrays are one value with commas; a repeated key, a
  key with brackets and an unknown field are refused (400). There is no SKU in these forms: a
  draft is told from others by its title until its inventory is sent.
- A draft: quantity (1 to 999), title, description, price, who_made, when_made and taxonomy_id,
  and for a physical one (the default) shipping_profile_id. Title to 140 characters, of
  letters, digits, punctuation, each of ``%:&+`` once; to 13 tags of to 20 characters. Ids must
  exist. updateListing takes no quantity and no price: they are the inventory's.
- uploadListingImage: multipart, one ``image`` that is a JPEG, PNG or GIF; ``rank`` from 1,
  others move back; ``overwrite`` replaces; at most 20 (409).
- updateListingInventory: JSON with every field of an offering (``price`` a number, quantity,
  is_enabled, ``readiness_state_id``, which may be null) and no field that a GET adds
  (product_id, is_deleted, offering_id …); SKU to 32 characters; something must be for sale.
- ``state=active`` needs an image, a shipping profile and, unless ``in_eu``, a return policy. It
  is a ``Fee`` from any state but ``inactive``: from ``active`` too, which renews the listing.
  From ``sold_out`` the quantity becomes 1. A draft cannot be made inactive (409). A change is
  made whole or not at all.
- Unknown ids are 404, another shop is 403. Pages: ``limit`` to 100, ``offset`` counts records,
  ``{count, results}``. getListingsByShop shows one state, ``active`` unless told otherwise; its
  listings have ``skus``, and with ``includes=Images,Inventory`` these two.
- Tokens: access 3,600 s; PKCE S256; a refresh token can be used once.

Where Etsy's document says nothing (unknown and repeated fields, active again) this is a choice,
the stricter one.
"""

from plugins.etsy.sandbox.oauth import SCOPES
from plugins.etsy.sandbox.server import EtsySandbox

__all__ = ["SCOPES", "EtsySandbox"]
