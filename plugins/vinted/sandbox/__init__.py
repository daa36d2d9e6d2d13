"""A simulated seller: a wardrobe that remembers, and the browser that executes for it.

It speaks the bridge's real protocol over a real socket, for the demo and for tests:

    wardrobe = Wardrobe.of(1_700, shop_id="123")
    with SimulatedBrowser("http://127.0.0.1:8765", 7, token, wardrobe) as browser:
        browser.faults.captcha = True

Everything that can go wrong with a seller's browser is a switch in :class:`BrowserFaults`, which
may be thrown at any time.
"""

from plugins.vinted.sandbox.browser import SimulatedBrowser
from plugins.vinted.sandbox.examples import example_conversation, example_item, example_order
from plugins.vinted.sandbox.extension import Extension
from plugins.vinted.sandbox.faults import BrowserFaults, CommandRejected
from plugins.vinted.sandbox.wardrobe import Wardrobe

__all__ = [
    "BrowserFaults",
    "CommandRejected",
    "Extension",
    "SimulatedBrowser",
    "Wardrobe",
    "example_conversation",
    "example_item",
    "example_order",
]
