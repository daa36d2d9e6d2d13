"""Actors driven by hand, without threads."""
