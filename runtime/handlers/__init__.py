"""What a handler plugin inherits, the hooks that it implements, and who loads it."""
