"""A simulated Etsy: ``EtsySandbox``."""

from plugins.etsy.sandbox.oauth import SCOPES
from plugins.etsy.sandbox.server import EtsySandbox

__all__ = ["SCOPES", "EtsySandbox"]
