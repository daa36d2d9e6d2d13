"""What is sold: products, their images, and the orders for them."""
