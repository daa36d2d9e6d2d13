"""A newer job of a product makes older ones needless, and a product is not published twice."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from runtime.errors import AlreadyPublished, DatabaseUnavailable
from runtime.jobs.service import MarketplaceJobService
from runtime.messages import LaneRequest
from runtime.storage.models import MarketplaceJob
from runtime.storage.nodes.membership import register_node
from runtime.storage.queue.claims import claim_jobs
from runtime.storage.server import locks
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, get_job, inline_product, set_job
from tests.support.database.product_rows import add_listing, add_products
from tests.support.deadline import wait_until

TOMORROW = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def shop(database: Database) -> int:
    """Of a seller with the products 1 to 4."""
    assert add_products(database, 4) == [1, 2, 3, 4]
    return add_shop(database)


def statuses(database: Database, *jobs: int) -> list[str]:
    return [get_job(database, job).status for job in jobs]


def claim(database: Database, shop: int) -> list[int]:
    """Return the jobs that a service takes now."""
    with database.session.begin() as session:
        node = register_node(session)
        claimed = claim_jobs(session, "vinted", [LaneRequest(1, (shop,), 10)], 10, node)
        return [job.id for job in claimed.jobs]


# --- withdrawing --------------------------------------------------------------------------


def test_a_newer_update_withdraws_older_ones_that_never_started(
    database: Database, shop: int
) -> None:
    waiting, paused, started, other = (
        add_job(database, shop, "update", product_id=product) for product in (1, 2, 3, 4)
    )
    set_job(database, paused, {"product_key": "id:1", "status": "paused"})
    set_job(database, started, {"product_key": "id:1", "started_at": datetime.now(UTC)})
    sync = add_job(database, shop, "sync", product_id=1)
    newer = add_job(database, shop, "update", product_id=1)
    assert statuses(database, waiting, paused) == ["cancelled"] * 2
    assert statuses(database, started, other, sync, newer) == ["pending"] * 4
    withdrawn = get_job(database, waiting)
    assert withdrawn.superseded_by == newer
    assert f"job {newer}, a newer update" in (withdrawn.error_message or "")
    assert withdrawn.fence == 1
    assert withdrawn.completed_at is not None


def test_a_delete_withdraws_publishes_and_updates_that_never_started(
    database: Database, shop: int
) -> None:
    publish = add_job(database, shop, "publish", product_id=1)
    update = add_job(database, shop, "update", product_id=1)
    delete = add_job(database, shop, "delete", product_id=1)
    assert statuses(database, publish, update, delete) == ["cancelled", "cancelled", "pending"]
    assert get_job(database, publish).superseded_by == delete
    assert "a delete of the same product" in (get_job(database, update).error_message or "")


def test_an_inline_product_is_known_by_its_sku(database: Database, shop: int) -> None:
    older = add_job(database, shop, "update", input_data=inline_product("A1"))
    nameless = add_job(database, shop, "update")
    newer = add_job(database, shop, "update", input_data=inline_product("A1"))
    assert statuses(database, older, nameless) == ["cancelled", "pending"]
    assert get_job(database, newer).product_key == "sku:A1"


def test_another_shop_of_the_seller_is_another_matter(database: Database, shop: int) -> None:
    with database.session.begin() as session:
        other = MarketplaceJobService(session).add_shop("vinted", 7, "second").id
    older = add_job(database, shop, "update", product_id=1)
    add_job(database, other, "update", product_id=1)
    assert statuses(database, older) == ["pending"]


def test_what_is_to_run_later_withdraws_nothing_that_is_to_run_before(
    database: Database, shop: int
) -> None:
    today = add_job(database, shop, "update", product_id=1)
    tomorrow = add_job(database, shop, "update", product_id=1, run_at=TOMORROW)
    assert statuses(database, today, tomorrow) == ["pending"] * 2
    add_job(database, shop, "update", product_id=1)
    assert statuses(database, today, tomorrow) == ["cancelled"] * 2


def test_a_rollback_withdraws_nothing(database: Database, shop: int) -> None:
    older = add_job(database, shop, "update", product_id=1)
    with database.session() as session:
        MarketplaceJobService(session).create_job("vinted", "update", 1, shop_id=shop)
        session.rollback()
    assert statuses(database, older) == ["pending"]


def test_a_claim_that_was_first_runs_and_nobody_waits_for_it(database: Database, shop: int) -> None:
    older = add_job(database, shop, "update", product_id=1)
    with database.session() as session:
        node = register_node(session)
        claimed = claim_jobs(session, "vinted", [LaneRequest(1, (shop,), 1)], 1, node)
        assert [job.id for job in claimed.jobs] == [older]
        newer = add_job(database, shop, "update", product_id=1)
        session.commit()
    assert statuses(database, older, newer) == ["running", "pending"]


def test_a_claim_that_came_second_finds_nothing_to_run(database: Database, shop: int) -> None:
    older = add_job(database, shop, "update", product_id=1)
    with database.session() as session:
        newer = MarketplaceJobService(session).create_job("vinted", "update", 1, shop_id=shop).id
        assert claim(database, shop) == []
        session.commit()
    assert claim(database, shop) == [newer]
    assert statuses(database, older) == ["cancelled"]


# --- publishing once ----------------------------------------------------------------------


def refused(database: Database, shop: int, **more: Any) -> AlreadyPublished:
    with pytest.raises(AlreadyPublished) as caught:
        add_job(database, shop, "publish", **{"product_id": 1, **more})
    return caught.value


def test_a_product_that_is_being_published_is_refused_with_the_job(
    database: Database, shop: int
) -> None:
    first = add_job(database, shop, "publish", product_id=1)
    assert refused(database, shop).job_id == first
    assert f"being published there by job {first};" in str(refused(database, shop))
    claim(database, shop)
    assert refused(database, shop).job_id == first
    set_job(database, first, {"status": "failed"})
    assert add_job(database, shop, "publish", product_id=1)


def test_a_product_that_is_on_sale_is_refused_with_the_listing(
    database: Database, shop: int
) -> None:
    add_listing(database, shop, "id:2", status="gone")
    assert add_job(database, shop, "publish", product_id=2)
    listing = add_listing(database, shop, "id:1")
    assert refused(database, shop).listing_id == listing
    assert f"on sale there as listing {listing}" in str(refused(database, shop))


def test_it_may_be_forced(database: Database, shop: int) -> None:
    add_listing(database, shop, "id:1")
    forced = add_job(database, shop, "publish", product_id=1, force=True)
    assert statuses(database, forced) == ["pending"]


def test_behind_a_delete_it_may_be_published_once_more(database: Database, shop: int) -> None:
    add_listing(database, shop, "id:1")
    add_job(database, shop, "delete", product_id=1)
    again = add_job(database, shop, "publish", product_id=1)
    assert refused(database, shop).job_id == again


def test_a_delete_of_tomorrow_makes_no_room_today(database: Database, shop: int) -> None:
    listing = add_listing(database, shop, "id:1")
    add_job(database, shop, "delete", product_id=1, run_at=TOMORROW)
    assert refused(database, shop).listing_id == listing
    later = TOMORROW + timedelta(hours=1)
    assert add_job(database, shop, "publish", product_id=1, run_at=later)


def test_the_key_of_an_earlier_publish_brings_that_job_whatever_its_state(
    database: Database, shop: int
) -> None:
    first = add_job(database, shop, "publish", product_id=1, idempotency_key="k")
    assert add_job(database, shop, "publish", product_id=1, idempotency_key="k") == first
    add_listing(database, shop, "id:1")
    set_job(database, first, {"status": "completed"})
    assert add_job(database, shop, "publish", product_id=1, idempotency_key="k") == first
    assert refused(database, shop, idempotency_key="other").listing_id


@pytest.mark.parametrize("key", [None, "same"])
def test_of_two_at_once_exactly_one_is_made(database: Database, shop: int, key: str | None) -> None:
    came: list[int | str] = []

    def publish() -> None:
        try:
            came.append(add_job(database, shop, "publish", product_id=1, idempotency_key=key))
        except AlreadyPublished as error:
            came.append(f"refused for {error.job_id}")

    with database.session() as session:
        service = MarketplaceJobService(session)
        first = service.create_job("vinted", "publish", 1, shop_id=shop, idempotency_key=key).id
        second = threading.Thread(target=publish)
        second.start()
        wait_until(lambda: waiting_for_locks(database) == 1)
        session.commit()
    second.join()
    assert came == ([f"refused for {first}"] if key is None else [first])
    with database.session() as session:
        assert session.query(MarketplaceJob).count() == 1


def test_a_publish_that_is_never_committed_is_not_waited_for_long(
    database: Database, shop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LONGEST_WAIT_SECONDS", 0.1)
    with database.session() as session:
        MarketplaceJobService(session).create_job("vinted", "publish", 1, shop_id=shop)
        with pytest.raises(DatabaseUnavailable, match="the product id:1 of shop 1 is locked"):
            add_job(database, shop, "publish", product_id=1)


def waiting_for_locks(database: Database) -> int:
    with database.session() as session:
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return int(session.execute(text(waiting)).scalar_one())
