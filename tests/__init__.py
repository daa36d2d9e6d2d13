"""The tests; not part of the distribution."""
