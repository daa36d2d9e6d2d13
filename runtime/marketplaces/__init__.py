"""The record in which a plugin describes its marketplace, and all that belongs to it."""
