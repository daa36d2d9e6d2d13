"""The plan of the claim, on a table as large as it gets: an index lost is a test failed."""

import json

import pytest
from sqlalchemy import text

from runtime.states import JobEvent, sources, target
from runtime.storage import claims
from runtime.storage.engine import Database

ROWS, LANES = 200_000, 5_000


@pytest.fixture
def full(database) -> Database:
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
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE marketplace_runtime.marketplace_jobs"))
    return database


def nodes(plan: dict):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explain(database: Database, statement, parameters: dict) -> list[dict]:
    with database.engine.begin() as connection:
        found = connection.execute(
            text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}"), parameters
        ).scalar_one()
        connection.rollback()
    plan = found if isinstance(found, list) else json.loads(found)
    return list(nodes(plan[0]["Plan"]))


def reads_of_jobs(plan: list[dict]) -> list[dict]:
    return [node for node in plan if node.get("Relation Name") == "marketplace_jobs"]


WANTED = {
    "lanes": list(range(1, 101)), "shops": list(range(1, 101)), "rooms": [1] * 100,
    "marketplace": "vinted",
}  # fmt: skip


def test_a_claim_reads_only_the_heads_of_the_lanes_it_was_made_for(full):
    plan = explain(
        full,
        claims._CLAIM,
        WANTED
        | {
            "limit": 100,
            "node_id": 1,
            "sources": sources(JobEvent.CLAIM),
            "target": target(JobEvent.CLAIM).value,
        },
    )
    reads = reads_of_jobs(plan)
    assert all(node["Node Type"] != "Seq Scan" for node in reads), reads
    assert any(node.get("Index Name") == "ix_marketplace_jobs_claim" for node in reads)
    touched = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in reads
    )
    # 100 lanes, 4 priorities, one head each; then the 100 that are locked and updated.
    assert touched <= 800, touched


def test_the_next_due_job_of_a_lane_is_one_probe_for_each_priority(full):
    reads = reads_of_jobs(explain(full, claims._NEXT_DUE, WANTED))
    assert all(node["Node Type"] != "Seq Scan" for node in reads), reads
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in reads) <= 400


def test_lanes_are_found_by_one_probe_each(full):
    plan = explain(full, claims._FIND_LANES, {"marketplace": "vinted"})
    reads = reads_of_jobs(plan)
    assert all("Index" in node["Node Type"] for node in reads), reads
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in reads) <= LANES + 1
