"""The actors of a service; no other package knows pykka."""
