"""The queries on shops, products, listings, orders and conversations."""
