"""Plays the scenes of the demo."""

import base64
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta

from runtime.bridge.seller_tokens import issue_token
from runtime.cli.demonstration.summary import JobRow, Promise
from runtime.cli.demonstration.watch import Watch
from runtime.cli.output import print_line
from runtime.errors import ConfigurationError
from runtime.errors.program import PROGRAM
from runtime.handlers.registry import Registry, load_registry
from runtime.jobs.service import MarketplaceJobService
from runtime.marketplaces.credentials import Vault
from runtime.marketplaces.simulation import EXAMPLE_PRODUCT, SimulatedAccount
from runtime.process.config import Settings
from runtime.process.data_directory import encryption_keys, token_secret
from runtime.products.product import checked_product
from runtime.shops.connection import connect_shop
from runtime.shops.settings import FOLLOW_SALES
from runtime.storage.queue.action_types import change_rate_limits
from runtime.storage.queue.job_rows import list_jobs
from runtime.storage.selling import demo_counts
from runtime.storage.selling.product_rows import product_by_sku, upsert_products
from runtime.storage.server.engine import Database, database_errors

FIRST_SELLER = 9001
TOKEN_LIFETIME = timedelta(days=1)
PACE = timedelta(milliseconds=100)
"""The least time between two calls of one action and shop; simulated marketplaces need no more."""
MOST_JOBS = 1_000
HERE = "stored"
IMAGE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
"""One transparent pixel."""


@dataclass(frozen=True, slots=True)
class Role:
    """One seller with her account on one marketplace.

    Attributes:
        listings: the number of listings with which it begins.
    """

    user_id: int
    account: SimulatedAccount
    listings: int = 0

    @property
    def marketplace(self) -> str:
        """The marketplace of the account."""
        return self.account.marketplace.name


class Play:
    """The roles, and their scenes."""

    def __init__(self, settings: Settings, database: Database, watch: Watch) -> None:
        self.url = ""
        self._settings = settings
        self._database = database
        self._watch = watch
        self._syncing: list[Role] = []
        self._selling: list[Role] = []
        self._shops: dict[tuple[int, str], int] = {}

    def cast(self, stack: ExitStack, sellers: int, items: int) -> Registry:
        """Open the accounts; returns the handlers, with records that lead to the simulations.

        Raises:
            ConfigurationError: no installed marketplace can be simulated.
        """
        # The handlers are those that are installed; only the records lead to the simulations. So
        # the demo shows an outside plugin, too.
        registry = load_registry()
        simulated = [one for _, one in sorted(registry.marketplaces.items()) if one.sandbox]
        if not simulated:
            raise ConfigurationError(
                f"no marketplace can be simulated: `{PROGRAM} handlers list` says what is wrong"
            )
        users = range(FIRST_SELLER, FIRST_SELLER + sellers)
        for marketplace in simulated:
            assert marketplace.sandbox is not None
            # Where browsers execute, each of the sellers has one; elsewhere one seller is enough.
            if marketplace.lanes.needs_seller:
                for user in users:
                    account = stack.enter_context(marketplace.sandbox(f"demo-{user}", items))
                    self._syncing.append(Role(user, account, items))
            account = stack.enter_context(marketplace.sandbox(f"demo-{users.stop}", 0))
            self._selling.append(Role(users.stop, account))
        records = {role.marketplace: role.account.marketplace for role in self._selling}
        return replace(registry, marketplaces={**registry.marketplaces, **records})

    def enter(self, browsers: ExitStack, url: str) -> None:
        """Connect all accounts to the running service."""
        self.url = url
        secret, vault = token_secret(self._settings), Vault(encryption_keys(self._settings))
        with self._database.session() as session, session.begin():
            # This changes the demo's own database alone.
            change_rate_limits(session, PACE)
            service = MarketplaceJobService(session)
            for role in self._everybody():
                account, user = role.account, role.user_id
                credentials = account.credentials()
                if credentials is None:
                    shop = service.add_shop(role.marketplace, user, account.external_id)
                else:
                    external_id, record = account.external_id, account.marketplace
                    shop = connect_shop(session, vault, record, user, external_id, credentials)
                shop.settings = {**account.settings, FOLLOW_SALES: "yes"}
                self._shops[user, role.marketplace] = shop.id
            upsert_products(session, self._seller, [checked_product(dict(EXAMPLE_PRODUCT))])
        for role in self._everybody():
            token = issue_token(
                role.user_id, secret, self._settings.token_algorithm, TOKEN_LIFETIME
            )
            browsers.enter_context(role.account.browser(url, role.user_id, token))
        places = ", ".join(role.marketplace for role in self._selling)
        print_line(f"a service at {url}, simulated sellers, and simulations of {places}")

    def sync(self) -> None:
        """Sync all accounts that have listings."""
        print_line(f"\n1. {len(self._syncing)} seller(s) sync what they have on sale")
        self._carry_out("sync", self._syncing)

    def publish(self) -> None:
        """Publish one product on every marketplace, each of which loses the answer."""
        print_line(
            f"\n2. seller {self._seller} publishes one product on {len(self._selling)} "
            "marketplaces; each does it, and its answer gets lost"
        )
        for role in self._selling:
            role.account.lose_an_answer()
        self._carry_out("publish", self._selling, EXAMPLE_PRODUCT["sku"])

    def sell(self) -> None:
        """Sell the product on one marketplace, which must take it off the others."""
        role = self._selling[0]
        print_line(
            f"\n3. it is bought on {role.marketplace}; the sale takes it off the other marketplaces"
        )
        try:
            role.account.sell(EXAMPLE_PRODUCT["sku"])
        except ValueError as error:
            print_line(f"it cannot be bought: {error}")
            return
        # The sale itself creates jobs for the other shops. They are those that were not there
        # before.
        known = {job.id for job in self.jobs()}
        known.update(self._carry_out("sync_orders", [role]))
        self._watch.follow([job.id for job in self.jobs() if job.id not in known])

    def jobs(self) -> list[JobRow]:
        """Return all jobs in the order of their creation."""
        with database_errors(), self._database.session() as session:
            rows = list_jobs(session, limit=MOST_JOBS)
            return [JobRow.of(job, code) for job, code in reversed(rows)]

    def promises(self) -> list[Promise]:
        """Return the numbers that the demo must reach, and those that it reached."""
        shops = [self._shops[role.user_id, role.marketplace] for role in self._syncing]
        with database_errors(), self._database.session() as session:
            synced = demo_counts.live_listings(session, shops)
            orders = demo_counts.orders(session)
            product = product_by_sku(session, self._seller, EXAMPLE_PRODUCT["sku"])
            left = product.quantity if product else 0
        return [
            *self._promises_of_sales(),
            *self._promises_of_syncs(synced),
            Promise("bought", HERE, 1, orders),
            Promise("left on sale", HERE, 0, left),
        ]

    def _promises_of_syncs(self, stored: int) -> Iterator[Promise]:
        had: Counter[str] = Counter()
        has: Counter[str] = Counter()
        for role in self._syncing:
            had[role.marketplace] += role.listings
            has[role.marketplace] += role.account.tally().on_sale
        for marketplace, number in had.items():
            yield Promise("synced listings", marketplace, number, has[marketplace])
        if had:
            yield Promise("synced listings", HERE, had.total(), stored)

    def _promises_of_sales(self) -> Iterator[Promise]:
        for role in self._selling:
            where, tally = role.marketplace, role.account.tally()
            yield Promise("lost answers", where, 1, tally.lost_answers)
            yield Promise("put on sale", where, 1, tally.published)
            yield Promise("bought", where, int(role is self._selling[0]), tally.sold)
            yield Promise("left on sale", where, 0, tally.on_sale)

    def _carry_out(self, action: str, roles: Iterable[Role], sku: str | None = None) -> list[int]:
        """Create a job of each role, and show the jobs until they are over; returns their ids."""
        with self._database.session() as session, session.begin():
            service = MarketplaceJobService(session)
            product = product_by_sku(session, self._seller, sku) if sku else None
            jobs = [
                service.create_job(
                    role.marketplace,
                    action,
                    user_id=role.user_id,
                    shop_id=self._shops[role.user_id, role.marketplace],
                    product_id=product.id if product else None,
                ).id
                for role in roles
            ]
        self._watch.follow(jobs)
        return jobs

    def _everybody(self) -> list[Role]:
        return [*self._syncing, *self._selling]

    @property
    def _seller(self) -> int:
        return self._selling[0].user_id
