"""Batches: made all or none, and closed with the right counts however their jobs end."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from runtime import Job
from runtime.applications import BatchJobService
from runtime.errors import (
    AlreadyPublished,
    BatchNotFound,
    InputError,
    ProductsNotFound,
    ShopRequired,
)
from runtime.jobs.batch_service import Batch
from runtime.jobs.service import MarketplaceJobService
from runtime.messages import LaneRequest
from runtime.runs.batch_status import BatchStatus
from runtime.runs.job_states import JobEvent
from runtime.runs.settlement import MAX_POISONINGS, Settlement
from runtime.storage.models import BatchJob, MarketplaceJob
from runtime.storage.nodes.housekeeping import Housekeeper
from runtime.storage.nodes.membership import hand_back_jobs, register_node
from runtime.storage.queue import batch_rows
from runtime.storage.queue.claims import claim_jobs
from runtime.storage.queue.settlements import settle_jobs
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, connect_seller, get_job, set_job
from tests.support.database.listening import listening, received
from tests.support.database.product_rows import add_listing, add_products

LONG_AGO = datetime.now(UTC) - timedelta(days=40)


@pytest.fixture
def shop(database: Database) -> int:
    return add_shop(database)


@pytest.fixture
def node(database: Database) -> int:
    with database.session.begin() as session:
        return register_node(session)


def make(database: Database, action: str, products: list[int], **more: Any) -> Batch:
    """A committed batch."""
    with database.session.begin() as session:
        service = BatchJobService(session)
        return service.create_batch_job("vinted", action, products, 2, 7, **more)


def read(database: Database, batch_id: int) -> Batch:
    with database.session() as session:
        batch = BatchJobService(session).get_batch_by_id(batch_id)
    assert batch is not None
    return batch


def stored(database: Database, batch_id: int) -> BatchJob:
    with database.session() as session:
        return session.get_one(BatchJob, batch_id)


def children(database: Database, batch_id: int) -> list[int]:
    with database.session() as session:
        query = session.query(MarketplaceJob.id).filter_by(batch_job_id=batch_id)
        return [job_id for (job_id,) in query.order_by(MarketplaceJob.id)]


# --- creating -----------------------------------------------------------------------------


def test_a_batch_is_one_job_for_each_product(database: Database, shop: int) -> None:
    products = add_products(database, 3)
    batch = make(database, "update", [*products, products[0]], input_data={"price": "9.00"})
    jobs = [get_job(database, job) for job in children(database, batch.id)]
    assert [job.product_id for job in jobs] == products
    assert {(job.priority, job.user_id, job.shop_id) for job in jobs} == {(2, 7, shop)}
    assert [job.product_key for job in jobs] == [f"id:{one}" for one in products]
    assert jobs[0].input_data == {"price": "9.00"}
    assert (batch.status, batch.counts.total) == (BatchStatus.PENDING, 3)


def test_500_products_are_few_statements_and_one_notification(
    database: Database, shop: int
) -> None:
    products = add_products(database, 500)
    statements: list[str] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda *given: statements.append(given[2])
    )
    with listening(database, "marketplace_runtime_jobs") as ears:
        batch = make(database, "publish", products)
        assert json.loads(received(ears))["shop_id"] == shop
        assert not ears.notifies
    assert sum("INSERT INTO marketplace_runtime.marketplace_jobs" in one for one in statements) <= 2
    assert len(statements) < 25
    assert batch.counts.pending == 500


def test_products_that_do_not_exist_are_named_and_nothing_is_made(
    database: Database, shop: int
) -> None:
    (mine,) = add_products(database, 1)
    (strangers,) = add_products(database, 1, user_id=8)
    with pytest.raises(ProductsNotFound, match=r"no product 2, 90, 91, 92, 93 and 1 more;"):
        make(database, "publish", [mine, strangers, *range(90, 95)])
    with database.session() as session:
        assert session.query(BatchJob).count() == session.query(MarketplaceJob).count() == 0


def test_a_refused_product_leaves_no_part_of_the_batch(database: Database, shop: int) -> None:
    products = add_products(database, 3)
    listing = add_listing(database, shop, f"id:{products[1]}")
    with database.session.begin() as session:
        service = BatchJobService(session)
        with pytest.raises(AlreadyPublished) as caught:
            service.create_batch_job("vinted", "publish", products, 3, 7)
    assert caught.value.listing_id == listing
    with database.session() as session:
        assert session.query(BatchJob).count() == session.query(MarketplaceJob).count() == 0
    assert make(database, "publish", products, force=True).counts.total == 3


@pytest.mark.parametrize(
    ("products", "more", "error", "says"),
    [
        ([], {}, InputError, "at least one product"),
        ([0], {}, InputError, "product_ids must be a whole number"),
        (["1"], {}, InputError, "product_ids must be a whole number"),
        ("12", {}, InputError, "must be a list"),
        (range(1, 10_002), {}, InputError, "at most 10,000 products"),
        ([1], {"priority": 5}, InputError, "priority must be 1"),
        ([1], {"created_by_user_id": 8}, ShopRequired, "user 8 has no shop"),
    ],
)
def test_bad_input_is_refused_by_name(
    database: Database,
    shop: int,
    products: Any,
    more: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    with database.session.begin() as session, pytest.raises(error, match=says):
        BatchJobService(session).create_batch_job("vinted", "update", products, **more)


def test_a_batch_that_is_not_there_is_said_so(database: Database, shop: int) -> None:
    with database.session() as session:
        service = BatchJobService(session)
        assert service.get_batch_by_id(5) is None
        for method in (service.get_batch_summary, service.cancel_batch,
                       service.update_batch_progress):  # fmt: skip
            with pytest.raises(BatchNotFound, match="batch 5 does not exist"):
                method(5)
        with pytest.raises(BatchNotFound):
            MarketplaceJobService(session).create_job("vinted", "sync", batch_job_id=5)


# --- closing ------------------------------------------------------------------------------


def claim_all(database: Database, node: int, shop: int) -> dict[int, Job]:
    """Every due job, running."""
    with database.session.begin() as session:
        claimed = claim_jobs(session, "vinted", [LaneRequest(1, (shop,), 500)], 500, node)
    return {job.id: job for job in claimed.jobs}


def settle(job_event: JobEvent) -> Callable[..., None]:
    def end(database: Database, node: int, job_id: int) -> None:
        set_job(database, job_id, {"status": "running", "node_id": node})
        fence = get_job(database, job_id).fence
        with database.session.begin() as session:
            settle_jobs(session, [Settlement(job_id, fence, job_event)])

    return end


def service_call(name: str, *arguments: Any, status: str = "running") -> Callable[..., None]:
    def end(database: Database, node: int, job_id: int) -> None:
        set_job(database, job_id, {"status": status})
        with database.session.begin() as session:
            getattr(MarketplaceJobService(session), name)(job_id, *arguments)

    return end


def cancelled_while_retrying(database: Database, node: int, job_id: int) -> None:
    set_job(database, job_id, {"cancel_requested": True})
    settle(JobEvent.RETRY)(database, node, job_id)


def poisoned(database: Database, node: int, job_id: int) -> None:
    set_job(
        database,
        job_id,
        {"status": "running", "node_id": node, "poison_count": MAX_POISONINGS},
    )
    with database.session.begin() as session:
        hand_back_jobs(session, node, suspects=[job_id])


def expired_by_housekeeping(database: Database, node: int, job_id: int) -> None:
    set_job(database, job_id, {"expires_at": LONG_AGO})
    Housekeeper(database, timedelta(days=30)).tidy()


def expired_by_the_application(database: Database, node: int, job_id: int) -> None:
    connect_seller(database)
    set_job(database, job_id, {"expires_at": LONG_AGO})
    with database.session.begin() as session:
        assert MarketplaceJobService(session).expire_old_jobs("vinted") == 1


def superseded(database: Database, node: int, job_id: int) -> None:
    job = get_job(database, job_id)
    add_job(database, job.shop_id, "update", product_id=job.product_id)


def retries_used_up(database: Database, node: int, job_id: int) -> None:
    set_job(database, job_id, {"status": "running", "retry_count": 3})
    with database.session.begin() as session:
        MarketplaceJobService(session).increment_retry(job_id)


ENDS = {
    "settled well": (settle(JobEvent.COMPLETE), "completed"),
    "settled badly": (settle(JobEvent.FAIL), "failed"),
    "settled as cancelled": (settle(JobEvent.CANCEL), "cancelled"),
    "cancelled while retrying": (cancelled_while_retrying, "cancelled"),
    "poisoned": (poisoned, "failed"),
    "complete_job": (service_call("complete_job"), "completed"),
    "fail_job": (service_call("fail_job", "no"), "failed"),
    "cancel_job": (service_call("cancel_job", status="paused"), "cancelled"),
    "increment_retry": (retries_used_up, "failed"),
    "expired by housekeeping": (expired_by_housekeeping, "expired"),
    "expired by the application": (expired_by_the_application, "expired"),
    "superseded": (superseded, "superseded"),
}


@pytest.mark.parametrize("how", ENDS)
def test_the_last_end_closes_the_batch_whatever_it_is(
    database: Database, shop: int, node: int, how: str
) -> None:
    end, counted = ENDS[how]
    batch = make(database, "update", add_products(database, 2))
    first, last = children(database, batch.id)
    settle(JobEvent.COMPLETE)(database, node, first)
    assert stored(database, batch.id).completed_at is None
    end(database, node, last)
    row = stored(database, batch.id)
    assert row.completed_at is not None
    assert row.counts is not None
    assert row.counts[counted] == (2 if counted == "completed" else 1)
    assert row.counts["total"] == 2
    good = counted in {"completed", "superseded"}
    assert row.status == ("completed" if good else "partially_failed")


def test_every_mix_of_ends_is_counted(database: Database, shop: int, node: int) -> None:
    batch = make(database, "update", add_products(database, len(ENDS)))
    for job_id, (end, _) in zip(children(database, batch.id), ENDS.values(), strict=True):
        end(database, node, job_id)
    row = stored(database, batch.id)
    assert row.status == "partially_failed"
    assert row.counts == {
        "total": 12, "completed": 2, "failed": 4, "cancelled": 3, "expired": 2,
        "superseded": 1, "pending": 0, "running": 0, "paused": 0,
    }  # fmt: skip


def test_what_two_end_at_the_same_moment_is_over_at_once_and_closed_later(
    database: Database, shop: int, node: int
) -> None:
    batch = make(database, "update", add_products(database, 2))
    jobs = claim_all(database, node, shop)
    with database.session() as one, database.session() as other:
        for session, job in zip((one, other), jobs.values(), strict=True):
            settle_jobs(session, [Settlement(job.id, job.fence, JobEvent.COMPLETE)])
        one.commit()
        other.commit()
    # Neither saw the other; readers do.
    assert stored(database, batch.id).completed_at is None
    assert read(database, batch.id).status is BatchStatus.COMPLETED
    with database.session() as session:
        assert BatchJobService(session).list_active_batches("vinted") == []
    Housekeeper(database, timedelta(days=30)).tidy()
    assert stored(database, batch.id).status == "completed"


def test_an_open_transaction_on_the_batch_holds_up_no_ending(
    database: Database, shop: int, node: int
) -> None:
    batch = make(database, "update", add_products(database, 1))
    (job,) = claim_all(database, node, shop).values()
    with database.session() as application:
        batch_rows.lock_open(application, batch.id)
        with database.session.begin() as session:
            settle_jobs(session, [Settlement(job.id, job.fence, JobEvent.COMPLETE)])
        assert stored(database, batch.id).completed_at is None
        application.rollback()
    with database.session.begin() as session:
        closed = BatchJobService(session).update_batch_progress(batch.id)
    assert closed.completed_at is not None


def test_jobs_without_a_batch_cost_their_settlement_no_statement(
    database: Database, shop: int, node: int
) -> None:
    add_job(database, shop)
    (job,) = claim_all(database, node, shop).values()
    statements: list[str] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda *given: statements.append(given[2])
    )
    with database.session.begin() as session:
        settle_jobs(session, [Settlement(job.id, job.fence, JobEvent.COMPLETE)])
    assert not [one for one in statements if "batch_jobs" in one]


def test_a_job_that_is_run_again_opens_its_batch_again(
    database: Database, shop: int, node: int
) -> None:
    batch = make(database, "update", add_products(database, 2))
    for job, job_event in zip(
        claim_all(database, node, shop).values(), (JobEvent.COMPLETE, JobEvent.FAIL), strict=True
    ):
        with database.session.begin() as session:
            settle_jobs(session, [Settlement(job.id, job.fence, job_event)])
    assert stored(database, batch.id).status == "partially_failed"
    with database.session.begin() as session:
        MarketplaceJobService(session).retry_job(job.id)
    again = read(database, batch.id)
    assert (again.status, again.completed_at) == (BatchStatus.RUNNING, None)
    settle(JobEvent.COMPLETE)(database, node, job.id)
    assert stored(database, batch.id).status == "completed"


def test_a_job_that_is_added_opens_its_batch_again(
    database: Database, shop: int, node: int
) -> None:
    batch = make(database, "update", add_products(database, 1))
    (job,) = children(database, batch.id)
    settle(JobEvent.COMPLETE)(database, node, job)
    add_job(database, shop, batch_job_id=batch.id)
    assert read(database, batch.id).counts.total == 2
    assert read(database, batch.id).status is BatchStatus.RUNNING


# --- cancelling and forgetting ------------------------------------------------------------


def test_a_cancelled_batch_ends_what_waits_and_asks_what_runs(
    database: Database, shop: int, node: int
) -> None:
    batch = make(database, "update", add_products(database, 3))
    done, runs, waits = children(database, batch.id)
    settle(JobEvent.COMPLETE)(database, node, done)
    set_job(database, runs, {"status": "running", "node_id": node})
    with listening(database, "marketplace_runtime_cancel") as ears:
        with database.session.begin() as session:
            asked = BatchJobService(session).cancel_batch(batch.id)
        assert received(ears) == str(runs)
    assert (asked.status, asked.cancel_requested) == (BatchStatus.RUNNING, True)
    assert get_job(database, waits).status == "cancelled"
    assert get_job(database, waits).fence == 1
    assert get_job(database, runs).cancel_requested
    settle(JobEvent.CANCEL)(database, node, runs)
    assert stored(database, batch.id).status == "cancelled"
    with database.session.begin() as session:
        assert BatchJobService(session).cancel_batch(batch.id).status is BatchStatus.CANCELLED


def test_a_batch_of_which_nothing_ran_is_closed_by_its_cancellation(
    database: Database, shop: int
) -> None:
    batch = make(database, "update", add_products(database, 2))
    with database.session.begin() as session:
        BatchJobService(session).cancel_batch(batch.id)
    assert (stored(database, batch.id).counts or {})["cancelled"] == 2


def test_jobs_are_kept_with_their_batch_and_go_before_it(
    database: Database, shop: int, node: int
) -> None:
    batch = make(database, "update", add_products(database, 2))
    early, late = children(database, batch.id)
    settle(JobEvent.COMPLETE)(database, node, early)
    set_job(database, early, {"completed_at": LONG_AGO})
    keeper = Housekeeper(database, timedelta(days=30))
    assert keeper.tidy() == (0, 0)
    settle(JobEvent.COMPLETE)(database, node, late)
    set_job(database, late, {"completed_at": LONG_AGO})
    assert keeper.tidy() == (0, 0)
    assert read(database, batch.id).counts.completed == 2
    with database.session.begin() as session:
        session.get_one(BatchJob, batch.id).completed_at = LONG_AGO
    assert keeper.tidy() == (0, 2)
    with database.session() as session:
        assert session.get(BatchJob, batch.id) is None


def test_the_summary_is_json(database: Database, shop: int, node: int) -> None:
    batch = make(database, "update", add_products(database, 4))
    settle(JobEvent.COMPLETE)(database, node, children(database, batch.id)[0])
    with database.session() as session:
        summary = BatchJobService(session).get_batch_summary(batch.id)
    json.dumps(summary)
    assert (summary["status"], summary["action"]) == ("running", "update")
    assert (summary["completed"], summary["pending"], summary["total"]) == (1, 3, 4)
    assert summary["progress_percent"] == 25.0


def test_active_batches_are_those_with_jobs_left(database: Database, shop: int) -> None:
    made = [make(database, "update", [one]).id for one in add_products(database, 3)]
    with database.session.begin() as session:
        service = BatchJobService(session)
        service.cancel_batch(made[0])
        active = [one.id for one in service.list_active_batches("vinted")]
        assert active == [made[2], made[1]]
        assert [one.id for one in service.list_active_batches("vinted", limit=1)] == [made[2]]
        assert service.list_active_batches("ebay") == []
