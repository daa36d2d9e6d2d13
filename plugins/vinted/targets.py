"""Which listings a job is about."""

from functools import partial

from runtime import store

LISTING_ID = r"[^\W_]+"

target_listings = partial(
    store.target_listings,
    marketplace="Vinted",
    pattern=LISTING_ID,
    way_out="sync the shop and link the listing to it (link_product)",
)
