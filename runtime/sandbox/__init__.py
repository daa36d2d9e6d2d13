"""What simulated marketplaces are made of; knows none of them.

A sandbox is a stateful HTTP server on a free port of this machine. It is what the demo and the
tests have in the place of a marketplace:

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
from runtime.sandbox.exchange import Answer, Exchange, Request, Unreadable
from runtime.sandbox.faults import Fault, Faults
from runtime.sandbox.quota import Quota
from runtime.sandbox.routes import Call, Route
from runtime.sandbox.seller import ApiAccount, SellerSandbox
from runtime.sandbox.server import Refused, Sandbox
from runtime.sandbox.tokens import BadGrant, Grant, Tokens

__all__ = [
    "EXAMPLE_PRODUCT",
    "Answer",
    "ApiAccount",
    "BadGrant",
    "Call",
    "Credentials",
    "Exchange",
    "Fault",
    "Faults",
    "Grant",
    "OpenAccount",
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
