"""The record of Vinted: its action types, its limits and how its answers are read."""

from contextlib import AbstractContextManager
from datetime import timedelta

from plugins.vinted.errors import ACCOUNT_WORDS, read_browser_answer
from plugins.vinted.settings import VintedSettings
from runtime import ActionType, Budgets, Level, Limit, Marketplace, read_settings
from runtime.sandbox import SimulatedAccount

# Codes, priorities, limits and times are those of the former system, on which callers rely.
ACTION_TYPES = (
    ActionType(
        code="message",
        name="Respond to message",
        description="Reply to Vinted buyer messages",
        priority=1,
        rate_limit=timedelta(milliseconds=1000),
        timeout=timedelta(seconds=30),
    ),
    ActionType(
        code="orders",
        name="Fetch orders",
        description="Retrieve new orders/sales from Vinted",
        is_batch=True,
        rate_limit=timedelta(milliseconds=1500),
    ),
    ActionType(
        code="publish",
        name="Publish product",
        description="Create a new listing on Vinted",
        rate_limit=timedelta(milliseconds=2500),
        timeout=timedelta(seconds=120),
    ),
    ActionType(
        code="update",
        name="Update product",
        description="Modify price, description, photos",
    ),
    ActionType(
        code="delete",
        name="Delete product",
        description="Remove listing from Vinted",
        priority=4,
        timeout=timedelta(seconds=30),
    ),
    ActionType(
        code="sync",
        name="Sync products",
        description="Synchronize all products with Vinted",
        priority=4,
        is_batch=True,
        rate_limit=timedelta(milliseconds=1500),
        timeout=timedelta(seconds=300),
    ),
    ActionType(
        code="link_product",
        name="Link Product",
        description="Link VintedProduct to Product and download images",
        rate_limit=timedelta(milliseconds=500),
        timeout=timedelta(seconds=120),
    ),
)


def vinted(settings: VintedSettings | None = None) -> Marketplace:
    """Return the record, as the operator has set it up.

    Raises:
        ConfigurationError: a variable cannot be used; the message names it.
    """
    known = settings or read_settings(VintedSettings)
    return Marketplace(
        name="vinted",
        sandbox=_simulated,
        # Vinted has no public API, so the seller's own browser carries out each call.
        browser_bound=True,
        # One job and one call at a time for each account: the runtime keeps to the pace of a
        # person, and does nothing to get around the defences of Vinted.
        lane_concurrency=1,
        lane_calls=1,
        budgets=Budgets(
            shop=(Limit(1, known.call_time),),
            # A refusal that one seller's browser gets says nothing of other sellers.
            speaks_of=Level.SHOP,
            jitter=known.jitter,
            cool_down=timedelta(minutes=1),
        ),
        account_words=ACCOUNT_WORDS,
        read_answer=read_browser_answer,
        action_types=ACTION_TYPES,
    )


def _simulated(name: str, listings: int) -> AbstractContextManager[SimulatedAccount]:
    # The import stands here because a service needs no simulation.
    from plugins.vinted.sandbox.demo import open_account

    return open_account(name, listings, vinted)
