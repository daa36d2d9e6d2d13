"""Finds the listings that a job is about."""

from functools import partial

from runtime import store

# The id becomes a part of an address of Vinted, so only letters and digits are accepted.
LISTING_ID = r"[^\W_]+"

target_listings = partial(
    store.target_listings,
    marketplace="Vinted",
    pattern=LISTING_ID,
    way_out="sync the shop and link the listing to it (link_product)",
)
