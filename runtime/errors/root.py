"""The root of all errors."""


class MarketplaceRuntimeError(Exception):
    """The base of every error that this project raises on purpose."""
