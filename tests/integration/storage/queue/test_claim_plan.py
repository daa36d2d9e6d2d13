"""The plan of the claim, on a table as large as it gets: an index lost is a test failed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import TextClause, text

from runtime.messages import LaneRequest
from runtime.runs.job_states import JobEvent, sources, target
from runtime.storage.queue import claims, lane_order
from runtime.storage.queue.lane_order import LOOK, jobs_before
from runtime.storage.server.engine import Database
from runtime.waiting.urgency import DEFAULT_AGING
from tests.support.database.databases import Databases

ROWS, LANES = 200_000, 5_000
GREEDY, BLOCKED = 1, 2
"""A seller with 100,000 more jobs, and one with 1,000 jobs of one product of which one runs."""


@pytest.fixture(scope="module")
def full(databases: Databases, migrated_template: str) -> Iterator[Database]:
    """For all tests of the module: none of them commits anything."""
    url = databases.make(migrated_template)
    database = Database(url)
    with database.session.begin() as session:
        session.execute(
            text(
                "INSERT INTO marketplace_runtime.shops (marketplace, user_id, external_id) "
                "SELECT 'vinted', n, n::text FROM generate_series(1, :lanes) AS n"
            ),
            {"lanes": LANES},
        )
        session.execute(
            text(
                "INSERT INTO marketplace_runtime.marketplace_jobs "
                "(marketplace, action_type_id, user_id, shop_id, priority, status, completed_at) "
                "SELECT 'vinted', (SELECT min(id) FROM public.marketplace_action_types), "
                "1 + n % :lanes, 1 + n % :lanes, 1 + n / :lanes % 4, "
                "CASE WHEN n % 2 = 0 THEN 'pending' ELSE 'completed' END, "
                "CASE WHEN n % 2 = 1 THEN now() END "
                "FROM generate_series(1, :rows) AS n"
            ),
            {"lanes": LANES, "rows": ROWS},
        )
        session.execute(
            text(
                "INSERT INTO marketplace_runtime.marketplace_jobs "
                "(marketplace, action_type_id, user_id, shop_id, priority, status, product_key) "
                "SELECT 'vinted', (SELECT min(id) FROM public.marketplace_action_types), "
                "shop_id, shop_id, 2, CASE WHEN product_key IS NOT NULL AND n = 1 "
                "THEN 'running' ELSE 'pending' END, product_key "
                "FROM (VALUES (:greedy, 100000, NULL), (:blocked, 1000, 'sku:one')) "
                "AS lane (shop_id, jobs, product_key), generate_series(1, jobs) AS n"
            ),
            {"greedy": GREEDY, "blocked": BLOCKED},
        )
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE marketplace_runtime.marketplace_jobs"))
    yield database
    database.dispose()
    databases.drop(url)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explain(
    database: Database, statement: TextClause, parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    with database.engine.begin() as connection:
        found = connection.execute(
            text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}"), parameters
        ).scalar_one()
        connection.rollback()
    plan = found if isinstance(found, list) else json.loads(found)
    return list(nodes(plan[0]["Plan"]))


def reads_of_jobs(plan: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [node for node in plan if node.get("Relation Name") == "marketplace_jobs"]


def wanted(*shops: int, room: int = 1) -> dict[str, Any]:
    lanes = [LaneRequest(shop, (shop,), room) for shop in shops]
    return claims._wanted(lanes) | {"marketplace": "vinted"}


def touched(reads: list[dict[str, Any]]) -> float:
    assert all("Seq Scan" not in node["Node Type"] for node in reads), reads
    rows: float = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in reads
    )
    return rows


def reads_of_a_claim(database: Database, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    more = {
        "limit": 100,
        "node_id": 1,
        "aging": DEFAULT_AGING,
        "sources": sources(JobEvent.CLAIM),
        "target": target(JobEvent.CLAIM).value,
    }
    return reads_of_jobs(explain(database, claims._CLAIM, parameters | more))


def test_a_claim_reads_only_the_heads_of_the_lanes_it_was_made_for(full: Database) -> None:
    reads = reads_of_a_claim(full, wanted(GREEDY, *range(3, 102)))
    assert any(node.get("Index Name") == "ix_marketplace_jobs_claim" for node in reads)
    # 100 lanes, 4 priorities, one head each; then the 100 that are locked and updated.
    assert touched(reads) <= 800


def test_jobs_that_wait_for_another_one_of_their_product_are_walked_over_up_to_a_limit(
    full: Database,
) -> None:
    reads = reads_of_a_claim(full, wanted(BLOCKED))
    assert any("product" in node.get("Index Name", "") for node in reads)
    # Each that is looked at is one row of each of two indexes.
    assert LOOK <= touched(reads) <= 2 * LOOK + 20


def test_what_is_left_is_one_probe_for_each_lane_and_priority(full: Database) -> None:
    assert (
        touched(reads_of_jobs(explain(full, claims._WAITING, wanted(GREEDY, *range(3, 102)))))
        <= 400
    )


def test_lanes_are_found_by_one_probe_for_each_of_their_priorities(full: Database) -> None:
    plan = explain(full, claims._FIND_LANES, {"marketplace": "vinted"})
    reads = reads_of_jobs(plan)
    assert all("Index" in node["Node Type"] for node in reads), reads
    # Every other lane has pending jobs, of each priority; one more has only blocked ones.
    assert touched(reads) <= 4 * LANES / 2 + 3


def test_the_jobs_before_one_are_counted_up_to_a_limit(full: Database) -> None:
    with full.session() as session:
        last = session.scalar(
            text("SELECT max(id) FROM marketplace_runtime.marketplace_jobs WHERE shop_id = :shop"),
            {"shop": GREEDY},
        )
        assert jobs_before(session, last, [GREEDY], DEFAULT_AGING) == 1001
    parameters = {"job_id": last, "shops": [GREEDY], "aging": DEFAULT_AGING, "most": 1000}
    assert touched(reads_of_jobs(explain(full, lane_order._PLACE, parameters))) <= 3_000


def test_a_seller_with_very_many_jobs_does_not_fill_the_claim(full: Database) -> None:
    lanes = [LaneRequest(shop, (shop,), 100) for shop in range(GREEDY, 200, 2)]
    with full.session() as session:
        session.execute(
            text("UPDATE marketplace_runtime.marketplace_jobs SET priority = 2 "
                 "WHERE shop_id <= 200 AND status = 'pending'")
        )  # fmt: skip
        jobs = claims.claim_jobs(session, "vinted", lanes, 100, 1).jobs
        session.rollback()
    assert sorted(job.shop.id for job in jobs) == [lane.lane for lane in lanes]


def test_the_claim_is_not_compiled_which_would_take_longer_than_it_runs(database: Database) -> None:
    with database.transaction("claim") as session:
        assert session.scalar(text("SHOW jit")) == "off"
