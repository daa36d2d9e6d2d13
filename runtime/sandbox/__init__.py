"""The parts of simulated marketplaces, for plugins and for the tests of their authors.

A sandbox is a stateful HTTP server on a free port of this machine. The demo and the tests use it
in the place of a marketplace:

    with EbaySandbox() as ebay:
        ebay.faults.plan("createOffer", Fault.DONE_BUT_FAILED)
        ...
        assert ebay.done["createOffer"] == 1

:attr:`runtime.Marketplace.sandbox` offers such a server to the demo, as a
:class:`SimulatedAccount`.
"""

from runtime.marketplaces.credentials import Credentials
from runtime.marketplaces.simulation import (
    EXAMPLE_PRODUCT,
    OpenAccount,
    SimulatedAccount,
    Tally,
)
from runtime.sandbox.delivery import Delivery
from runtime.sandbox.exchange import Answer, Exchange, Part, Request, Unreadable
from runtime.sandbox.faults import Fault, Faults, Plan
from runtime.sandbox.quota import Quota
from runtime.sandbox.routes import Call, Route
from runtime.sandbox.seller import ApiAccount, Consents, SellerSandbox
from runtime.sandbox.server import Refused, Sandbox
from runtime.sandbox.tokens import BadGrant, Grant, Tokens

__all__ = [
    "EXAMPLE_PRODUCT",
    "Answer",
    "ApiAccount",
    "BadGrant",
    "Call",
    "Consents",
    "Credentials",
    "Delivery",
    "Exchange",
    "Fault",
    "Faults",
    "Grant",
    "OpenAccount",
    "Part",
    "Plan",
    "Quota",
    "Refused",
    "Request",
    "Route",
    "Sandbox",
    "SellerSandbox",
    "SimulatedAccount",
    "Tally",
    "Tokens",
    "Unreadable",
]
