"""Measures the share of PostgreSQL's own throughput that jobs reach through the actors.

One run makes two measurements on the same machine and the same database:

- *floor*: the same statements claim and settle jobs in batches, with nothing between;
- *service*: the same number of jobs that do nothing run through a whole node.

Only their ratio can be compared between machines.

    python benchmarks/throughput.py [--jobs 10000] [--lanes 50] [--rounds 3]
"""

import argparse
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from actors.node import Node
from runtime import ActionType, BaseJobHandler, Job, Marketplace
from runtime.handlers.registry import Registry
from runtime.jobs.service import MarketplaceJobService
from runtime.messages import LaneRequest
from runtime.process.config import Settings
from runtime.process.logs import configure_logging
from runtime.runs.job_states import JobEvent
from runtime.runs.settlement import Settlement
from runtime.storage.nodes.membership import leave, register_node
from runtime.storage.queue.claims import claim_jobs, find_lanes
from runtime.storage.queue.settlements import settle_jobs
from runtime.storage.schema.migrator import migrate
from runtime.storage.schema.plugin_action_types import ensure_action_types
from runtime.storage.server.engine import Database, open_database

LANE_CONCURRENCY = 20
BATCH = 100


class Nothing(BaseJobHandler):
    """A handler that does nothing."""

    async def execute(self, job: Job) -> dict[str, int]:  # noqa: ARG002 - the interface
        """Return at once."""
        return {}


REGISTRY = Registry(
    marketplaces={
        "benchmark": Marketplace(
            "benchmark",
            lane_concurrency=LANE_CONCURRENCY,
            action_types=(ActionType("nothing", "Nothing", rate_limit=timedelta(0)),),
        )
    },
    handlers={"nothing_benchmark": Nothing},
)


def add_jobs(database: Database, jobs: int, lanes: int) -> None:
    """Insert pending jobs, spread over the lanes."""
    with database.session.begin() as session:
        service = MarketplaceJobService(session)
        shops = [service.add_shop("benchmark", user, str(user)).id for user in range(1, lanes + 1)]
        for number in range(jobs):
            service.create_job("benchmark", "nothing", shop_id=shops[number % lanes])


def floor(database: Database) -> None:
    """Claim and settle jobs until none is pending."""
    with database.session.begin() as session:
        node = register_node(session)
    while True:
        with database.session.begin() as session:
            shops = find_lanes(session, "benchmark")
            requests = [
                LaneRequest(shop_id, (shop_id,), LANE_CONCURRENCY)
                for shop_id in sorted({shop.shop_id for shop in shops})
            ]
            jobs = claim_jobs(session, "benchmark", requests, BATCH, node).jobs
        if not jobs:
            break
        endings = [Settlement(job.id, job.fence, JobEvent.COMPLETE, result={}) for job in jobs]
        with database.session.begin() as session:
            settle_jobs(session, endings)
    with database.session.begin() as session:
        leave(session, node)


def service(database: Database, settings: Settings) -> float:
    """Run a node until the last job has ended; returns the duration in seconds."""
    node = Node(settings, database, REGISTRY)
    started = time.monotonic()
    node.start()
    try:
        while True:
            with database.session() as session:
                if not MarketplaceJobService(session).get_pending_jobs(1, "benchmark"):
                    return time.monotonic() - started
            time.sleep(0.01)
    finally:
        node.stop()


def main() -> None:
    """Measure the rounds, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--lanes", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mr-bench-") as directory:
        settings = Settings(data_dir=Path(directory), bridge_port=0, log_level="warning")
        configure_logging(settings)
        database = open_database(settings)
        migrate(database, lambda _line: None)
        with database.session.begin() as session:
            ensure_action_types(session, REGISTRY.action_types)
        ratios = []
        for number in range(1, options.rounds + 1):
            add_jobs(database, options.jobs, options.lanes)
            before = time.monotonic()
            floor(database)
            alone = options.jobs / (time.monotonic() - before)
            add_jobs(database, options.jobs, options.lanes)
            whole = options.jobs / service(database, settings)
            ratios.append(whole / alone)
            print(
                f"round {number}: floor {alone:,.0f} jobs/s, service {whole:,.0f} jobs/s, "
                f"ratio {ratios[-1]:.2f}"
            )
        print(f"median ratio {statistics.median(ratios):.2f}")
        database.dispose()


if __name__ == "__main__":
    main()
