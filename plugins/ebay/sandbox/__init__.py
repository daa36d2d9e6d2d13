"""A simulated eBay: ``EbaySandbox``."""

from plugins.ebay.sandbox.oauth import SCOPES
from plugins.ebay.sandbox.server import EbaySandbox

__all__ = ["SCOPES", "EbaySandbox"]
