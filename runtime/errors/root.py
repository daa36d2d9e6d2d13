"""The root of all errors."""


class MarketplaceRuntimeError(Exception):
    """Anything this project raises on purpose."""
