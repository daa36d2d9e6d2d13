"""SQL. Nothing outside this package writes any."""
