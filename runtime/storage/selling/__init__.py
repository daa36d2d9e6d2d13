"""What is sold: shops, products, listings, orders and conversations."""
