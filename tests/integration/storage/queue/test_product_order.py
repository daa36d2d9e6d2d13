"""Jobs of one (shop, product) run one at a time, in the order in which they were created."""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from runtime import ActionType, BaseJobHandler, Job, Marketplace
from runtime.errors import DatabaseUnavailable, ProductBusy
from runtime.jobs.service import MarketplaceJobService
from runtime.messages import LaneRequest, LaneShop
from runtime.process.config import Settings
from runtime.runs.job_states import FINAL, JobEvent
from runtime.runs.settlement import Settlement
from runtime.storage.models import MarketplaceJob
from runtime.storage.nodes.membership import register_node
from runtime.storage.queue import job_events
from runtime.storage.queue.claims import Claim, claim_jobs
from runtime.storage.queue.expiry import expire_jobs
from runtime.storage.queue.settlements import settle_jobs
from runtime.storage.server.engine import Database
from runtime.storage.server.notifications import Listener
from tests.support.database.job_rows import (
    add_job,
    add_shop,
    get_job,
    inline_product,
    set_job,
)
from tests.support.database.product_rows import add_products
from tests.support.deadline import wait_until
from tests.support.processes.running_node import registry_of, running_node

SKU = inline_product("HAT-1")


@pytest.fixture
def node(database: Database) -> int:
    with database.session.begin() as session:
        return register_node(session)


@pytest.fixture
def shop(database: Database) -> int:
    return add_shop(database)


def claim(database: Database, node: int, shop: int, room: int = 10) -> Claim:
    with database.session.begin() as session:
        lane = LaneRequest(shop, (shop,), room)
        return claim_jobs(session, "vinted", [lane], room, node)


def claimed(database: Database, node: int, shop: int, room: int = 10) -> list[int]:
    return [job.id for job in claim(database, node, shop, room).jobs]


def settle(database: Database, settlement: Settlement) -> None:
    """As the recorder does: a row that somebody holds is written later."""

    def settled() -> bool:
        with database.session.begin() as session:
            return settlement.job_id in settle_jobs(session, [settlement]).written

    wait_until(settled)


def hour(hours: float) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def test_a_job_remembers_its_product(database: Database, shop: int) -> None:
    (product,) = add_products(database, 1)
    ids = [
        add_job(database, shop, product_id=product, input_data=SKU),
        add_job(database, shop, input_data=SKU),
        add_job(database, shop),
    ]
    keys = [get_job(database, job_id).product_key for job_id in ids]
    assert keys == [f"id:{product}", "sku:HAT-1", None]


def test_one_at_a_time_in_the_order_of_creation_whatever_their_priority(
    database: Database, node: int, shop: int
) -> None:
    ids = [add_job(database, shop, input_data=SKU, priority=one) for one in (4, 1, 2)]
    for job_id in ids:
        claim_ = claim(database, node, shop)
        (job,) = claim_.jobs
        assert job.id == job_id
        with database.session.begin() as session:
            settle_jobs(session, [Settlement(job.id, job.fence, JobEvent.COMPLETE)])


def test_other_products_and_other_shops_are_not_held_up(
    database: Database, node: int, shop: int
) -> None:
    one, two = add_products(database, 2)
    first = add_job(database, shop, product_id=one)
    add_job(database, shop, product_id=one)
    others = [
        add_job(database, shop, product_id=two),
        add_job(database, shop),
        add_job(database, shop),
    ]
    with database.session.begin() as session:
        elsewhere = MarketplaceJobService(session).add_shop("vinted", 7, "second").id
    there = add_job(database, elsewhere, product_id=one)
    assert set(claimed(database, node, shop)) == {first, *others}
    assert claimed(database, node, elsewhere) == [there]


@pytest.mark.parametrize(
    ("values", "blocks"),
    [
        ({"status": "running"}, True),
        ({"status": "paused"}, True),
        ({"run_at": hour(1), "started_at": hour(-1)}, True),
        ({"run_at": hour(1)}, False),
        ({"status": "completed"}, False),
        ({"status": "failed"}, False),
        ({"status": "cancelled"}, False),
        ({"status": "expired"}, False),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_an_earlier_job_keeps_a_later_one_from(
    database: Database, node: int, shop: int, values: dict[str, Any], blocks: bool
) -> None:
    earlier = add_job(database, shop, input_data=SKU)
    later = add_job(database, shop, input_data=SKU)
    set_job(database, earlier, values)
    assert claimed(database, node, shop) == ([] if blocks else [later])


def test_a_later_job_that_overtook_keeps_the_earlier_one_waiting_while_it_runs(
    database: Database, node: int, shop: int
) -> None:
    earlier = add_job(database, shop, input_data=SKU, run_at=hour(1))
    later = add_job(database, shop, input_data=SKU)
    assert claimed(database, node, shop) == [later]
    set_job(database, earlier, {"run_at": hour(-1)})
    assert claimed(database, node, shop) == []
    set_job(database, later, {"status": "pending", "run_at": hour(1)})
    assert claimed(database, node, shop) == [earlier], "of two that wait, the earlier is first"


def test_the_claim_tells_which_priorities_are_blocked_and_what_may_be_claimed_later(
    database: Database, node: int, shop: int
) -> None:
    set_job(database, add_job(database, shop, input_data=SKU), {"status": "paused"})
    add_job(database, shop, input_data=SKU, priority=2)
    add_job(database, shop, priority=2, run_at=hour(1))
    result = claim(database, node, shop)
    assert result.jobs == ()
    ((due, blocked),) = (lane.heads for lane in result.waiting)
    assert (due.priority, due.blocked) == (2, False)
    assert timedelta(minutes=59) < due.due_in <= timedelta(hours=1)
    assert (blocked.priority, blocked.blocked) == (2, True)
    assert blocked.due_in <= timedelta(0)


def test_the_database_itself_refuses_a_second_one_of_a_product(
    database: Database, shop: int
) -> None:
    ids = [add_job(database, shop, input_data=SKU) for _ in range(2)]
    set_job(database, ids[0], {"status": "running"})
    with pytest.raises(IntegrityError):
        set_job(database, ids[1], {"status": "running"})


def test_of_two_claims_that_cannot_see_each_other_one_is_made_again(
    database: Database, node: int, shop: int
) -> None:
    earlier = add_job(database, shop, input_data=SKU, run_at=hour(1))
    later = add_job(database, shop, input_data=SKU)
    refused: list[DatabaseUnavailable] = []

    def claim_too() -> None:
        try:
            claim(database, node, shop)
        except DatabaseUnavailable as error:
            refused.append(error)

    with database.session.begin() as session:
        (job,) = claim_jobs(session, "vinted", [LaneRequest(shop, (shop,), 1)], 1, node).jobs
        assert job.id == later
        set_job(database, earlier, {"run_at": hour(-1)})
        other = threading.Thread(target=claim_too)
        other.start()
        wait_until(lambda: waits_for_a_lock(database))
    other.join(60)
    assert len(refused) == 1
    assert get_job(database, earlier).status == "pending"


def waits_for_a_lock(database: Database) -> bool:
    with database.session() as session:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        return bool(session.scalar(text(waiting)))


def test_who_starts_a_second_one_by_hand_is_told_why_not(database: Database, shop: int) -> None:
    ids = [add_job(database, shop, input_data=SKU) for _ in range(2)]
    with database.session.begin() as session:
        service = MarketplaceJobService(session)
        service.start_job(ids[0])
        with pytest.raises(ProductBusy, match=f"job {ids[1]} cannot start now"):
            service.start_job(ids[1])
        assert session.get_one(MarketplaceJob, ids[1]).status == "pending"


ENDS_OUTSIDE_OF_A_RUN: dict[str, Callable[[Session, int], object]] = {
    "cancel": job_events.cancel,
    "complete": lambda session, job_id: job_events.complete(session, job_id, {}),
    "fail": lambda session, job_id: job_events.fail(session, job_id, "no"),
    "finish_cancellation": job_events.finish_cancellation,
    "expire": lambda session, _: expire_jobs(session, "vinted", []),
}


@pytest.mark.parametrize("how", ENDS_OUTSIDE_OF_A_RUN)
def test_an_end_outside_of_a_run_makes_the_lane_look_again(
    database: Database, shop: int, how: str
) -> None:
    job_id = add_job(database, shop, input_data=SKU, expires_at=hour(-1))
    if how not in {"cancel", "expire"}:
        set_job(database, job_id, {"status": "running"})
    heard: list[object] = []
    listener = Listener(database, heard.append)
    listener.start()
    try:
        wait_until(lambda: heard)
        with database.session.begin() as session:
            ENDS_OUTSIDE_OF_A_RUN[how](session, job_id)
        wait_until(lambda: any(LaneShop(shop, 7) in getattr(one, "shops", ()) for one in heard))
    finally:
        listener.stop()


def test_the_next_one_runs_as_soon_as_a_person_cancels_what_it_waited_for(
    settings: Settings, database: Database
) -> None:
    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> dict[str, Any]:
            return {}

    do = ActionType("do", "Do", rate_limit=timedelta(0))
    marketplace = Marketplace("example", action_types=(do,))
    registry = registry_of(marketplace, handlers={("do", "example"): Do})
    with running_node(settings, database, registry, poll_seconds=600) as scene:
        with database.session.begin() as session:
            service = MarketplaceJobService(session)
            shop = service.add_shop("example", 7, "example-7").id
            asks = service.create_job("example", "do", shop_id=shop, input_data=SKU).id
            service.pause_job(asks)
            waits = service.create_job("example", "do", shop_id=shop, input_data=SKU).id
            other = service.create_job("example", "do", shop_id=shop).id
        scene.ended(other)
        assert get_job(database, waits).status == "pending"
        with database.session.begin() as session:
            MarketplaceJobService(session).cancel_job(asks)
        assert scene.ended(waits).status == "completed"


def test_never_two_of_one_product_at_once_and_never_out_of_order(
    database: Database, node: int
) -> None:
    """Claimers race each other and random ends, over few products."""
    draw = random.Random(3)
    shops = [add_shop(database, user_id=user) for user in (1, 2)]
    products = {
        shop: add_products(database, 4, user) for shop, user in zip(shops, (1, 2), strict=True)
    }
    ids: dict[tuple[int, int], list[int]] = {}
    for _ in range(120):
        shop = draw.choice(shops)
        pair = (shop, draw.choice(products[shop]))
        job_id = add_job(database, pair[0], product_id=pair[1], priority=draw.randint(1, 4))
        ids.setdefault(pair, []).append(job_id)
    started: dict[tuple[int, int], list[int]] = {pair: [] for pair in ids}
    running: set[tuple[int, int]] = set()
    guard = threading.Lock()
    wrong: list[tuple[int, int]] = []

    def work(seed: int) -> None:
        mine = random.Random(seed)
        idle_until = 0
        while idle_until < 50:
            lanes = [LaneRequest(shop, (shop,), mine.randint(1, 5)) for shop in shops]
            with database.session.begin() as session:
                jobs = claim_jobs(session, "vinted", lanes, 10, node).jobs
            idle_until = 0 if jobs else idle_until + 1
            with guard:
                for job in jobs:
                    assert job.product_id is not None
                    pair = (job.shop.id, job.product_id)
                    if pair in running:
                        wrong.append(pair)
                    running.add(pair)
                    started[pair].append(job.id)
            for job in jobs:
                event = mine.choice(
                    [JobEvent.COMPLETE, JobEvent.FAIL, JobEvent.RETRY, JobEvent.SNOOZE,
                     JobEvent.HAND_BACK, JobEvent.PAUSE, JobEvent.CANCEL]
                )  # fmt: skip
                delay = timedelta(milliseconds=mine.randint(0, 5))
                with guard:
                    running.discard((job.shop.id, job.product_id))
                    settle(database, Settlement(job.id, job.fence, event, delay=delay))
                if event is JobEvent.PAUSE:
                    with database.session.begin() as session:
                        mine.choice([job_events.resume, job_events.cancel])(session, job.id)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    for pair, order in started.items():
        assert order == sorted(order), "a later one ran before an earlier one was over"
        assert sorted(set(order)) == ids[pair]
    assert all(get_job(database, one).status in FINAL for group in ids.values() for one in group)
