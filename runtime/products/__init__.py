"""Products, their images, and the orders for them."""
