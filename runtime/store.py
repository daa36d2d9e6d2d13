"""Stores what handlers learn: listings, orders, stock and conversations.

Functions that take a session run inside one of the handler's transactions
(:meth:`runtime.BaseJobHandler.transaction`) and return JSON values; each may be repeated.

    await self.transaction("record", record_listing, self.shop_id, checked_listing("7", data=item))

The data of a marketplace are checked first, by :func:`checked_listing`, :func:`checked_order` and
:func:`checked_order_line`. They raise :class:`runtime.InputError` if nobody can tell which listing
or order is meant.
"""

from runtime.handlers.listing_walk import LookReport, TakeLook, walk_listings
from runtime.handlers.order_walk import finish_orders
from runtime.handlers.removal import remove_listings
from runtime.jobs.sales_follower import StoredOrders, follow_sales, store_orders
from runtime.jobs.targets import named_listing, target_listings
from runtime.products.order import OrderLineRow, OrderRow, checked_order, checked_order_line
from runtime.storage.models import Product
from runtime.storage.selling.conversations import upsert_conversation
from runtime.storage.selling.listing_changes import (
    ListingAddress,
    link_listing,
    live_listing,
    mark_listing_gone,
    record_listing,
)
from runtime.storage.selling.listing_rows import (
    ListingCounts,
    ListingRow,
    begin_walk,
    checked_listing,
    count_unseen_listings,
    mark_unseen_gone,
    upsert_listings,
)
from runtime.storage.selling.order_rows import Sale, UpsertedOrders, known_orders, upsert_orders
from runtime.storage.selling.order_sync import (
    OrderWindow,
    begin_order_sync,
    finish_order_sync,
    unread_orders_warning,
)
from runtime.storage.selling.product_links import ProductLink, link_of_listing, product_link
from runtime.storage.selling.product_listings import (
    ListingTaken,
    LiveListing,
    ProductListings,
    adopt_listing,
    describe_listing,
    live_listings,
    product_listings,
)
from runtime.storage.selling.product_rows import (
    ProductCounts,
    product_by_id,
    product_by_sku,
    upsert_products,
)
from runtime.storage.selling.sent_messages import MessageTaken, record_sent_message
from runtime.values.entry_reader import readable
from runtime.values.marketplace_values import MAX_DATA_BYTES

__all__ = [
    "MAX_DATA_BYTES",
    "ListingAddress",
    "ListingCounts",
    "ListingRow",
    "ListingTaken",
    "LiveListing",
    "LookReport",
    "MessageTaken",
    "OrderLineRow",
    "OrderRow",
    "OrderWindow",
    "Product",
    "ProductCounts",
    "ProductLink",
    "ProductListings",
    "Sale",
    "StoredOrders",
    "TakeLook",
    "UpsertedOrders",
    "adopt_listing",
    "begin_order_sync",
    "begin_walk",
    "checked_listing",
    "checked_order",
    "checked_order_line",
    "count_unseen_listings",
    "describe_listing",
    "finish_order_sync",
    "finish_orders",
    "follow_sales",
    "known_orders",
    "link_listing",
    "link_of_listing",
    "live_listing",
    "live_listings",
    "mark_listing_gone",
    "mark_unseen_gone",
    "named_listing",
    "product_by_id",
    "product_by_sku",
    "product_link",
    "product_listings",
    "readable",
    "record_listing",
    "record_sent_message",
    "remove_listings",
    "store_orders",
    "target_listings",
    "unread_orders_warning",
    "upsert_conversation",
    "upsert_listings",
    "upsert_orders",
    "upsert_products",
    "walk_listings",
]
