"""What the runtime is told of a marketplace."""
