"""Finds the listings that a job is about."""

from functools import partial

from runtime import store

# An id becomes part of a path, so it is a number and nothing else; 0 is no listing.
LISTING_ID = r"0*[1-9][0-9]*"

target_listings = partial(
    store.target_listings,
    marketplace="Etsy",
    pattern=LISTING_ID,
    way_out="sync the shop, where the listing has the product's SKU",
)
