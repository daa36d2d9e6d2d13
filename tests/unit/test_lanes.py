"""Lanes: who has work and room takes turns, whatever the others do."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from actors.lanes import MAX_JOBS_PER_CLAIM, MAX_LANES_PER_CLAIM, Lane, Lanes
from runtime.hookspecs import Marketplace
from runtime.job import Job, Shop
from runtime.messages import LaneRequest, LaneShop

NOW = datetime(2026, 1, 9, tzinfo=UTC)


def job(number: int, shop_id: int = 1, user_id: int = 7) -> Job:
    return Job(
        id=number, fence=1, marketplace="ebay", action="publish", user_id=user_id,
        shop=Shop(shop_id, str(shop_id)), priority=3, retry_count=0, max_retries=3,
        rate_limit=timedelta(0), timeout=timedelta(seconds=60), created_at=NOW,
    )  # fmt: skip


def api(concurrency: int = 1000, lane_concurrency: int = 2) -> Lanes:
    return Lanes(Marketplace("ebay", concurrency=concurrency, lane_concurrency=lane_concurrency))


def browser() -> Lanes:
    return Lanes(Marketplace("vinted", browser_bound=True, lane_concurrency=8))


def shops(*numbers: int, user_id: int | None = None) -> list[LaneShop]:
    return [LaneShop(one, one if user_id is None else user_id) for one in numbers]


def asked(lanes: Lanes) -> list[int]:
    requests, _ = lanes.next_requests()
    return [request.lane for request in requests]


def started(lanes: Lanes) -> list[tuple[Lane, Job]]:
    places = []
    while (place := lanes.start_next()) is not None:
        places.append(place)
    return places


# --- who is asked for -----------------------------------------------------------------------


def test_a_lane_where_work_was_found_is_asked_for_with_its_room() -> None:
    lanes = api(lane_concurrency=5)
    lanes.found(shops(3))
    requests, limit = lanes.next_requests()
    assert requests == (LaneRequest(3, (3,), 5),)
    assert limit == MAX_JOBS_PER_CLAIM


def test_where_nothing_was_found_nothing_is_asked_for() -> None:
    assert api().next_requests()[0] == ()


def test_a_lane_with_no_more_work_is_not_asked_for_until_work_is_found_again() -> None:
    lanes = api()
    lanes.found(shops(3))
    assert asked(lanes) == [3]
    assert lanes.exhausted(3) is lanes.get(3)
    assert asked(lanes) == []
    lanes.found(shops(3))
    assert asked(lanes) == [3]


def test_work_that_is_found_while_a_claim_is_under_way_is_not_forgotten() -> None:
    lanes = api()
    lanes.found(shops(3, 4))
    assert asked(lanes) == [3, 4]
    lanes.found(shops(3))
    assert lanes.exhausted(3) is None, "the claim looked before the work came"
    assert lanes.exhausted(4) is not None
    assert asked(lanes) == [3]
    assert lanes.exhausted(3) is not None
    assert asked(lanes) == []


def test_a_lane_that_is_not_known_is_not_exhausted() -> None:
    assert api().exhausted(99) is None


def test_more_lanes_than_one_claim_takes_get_their_turns_one_after_the_other() -> None:
    lanes = api()
    lanes.found(shops(*range(250)))
    turns = [asked(lanes) for _ in range(3)]
    assert [len(turn) for turn in turns] == [MAX_LANES_PER_CLAIM] * 3
    assert sorted(turns[0] + turns[1] + turns[2][:50]) == list(range(250))


@given(count=st.integers(1, 40), concurrency=st.integers(1, 7), rounds=st.integers(1, 30))
def test_turns_are_fair(count: int, concurrency: int, rounds: int) -> None:
    lanes = api(concurrency=concurrency)
    lanes.found(shops(*range(count)))
    turns = dict.fromkeys(range(count), 0)
    for _ in range(rounds):
        for lane in asked(lanes):
            turns[lane] += 1
    assert max(turns.values()) - min(turns.values()) <= 1


def test_a_lane_that_comes_anew_takes_its_turn_behind_those_that_wait() -> None:
    lanes = api(concurrency=1)
    lanes.found(shops(1, 2))
    assert asked(lanes) == [1]
    lanes.found(shops(3))
    assert [asked(lanes) for _ in range(3)] == [[2], [1], [3]]


# --- room -----------------------------------------------------------------------------------


def test_room_is_what_ready_and_running_jobs_leave() -> None:
    lanes = api(lane_concurrency=3)
    lanes.found(shops(1))
    lanes.add_ready(job(10))
    lanes.add_ready(job(11))
    ((request,), _) = lanes.next_requests()
    assert request.room == 1
    first = lanes.start_next()
    assert first is not None
    ((request,), _) = lanes.next_requests()
    assert request.room == 1, "a job that starts takes no more room than one that is ready"
    lanes.ended(first[0])
    ((request,), _) = lanes.next_requests()
    assert request.room == 2


def test_a_lane_without_room_is_not_asked_for_until_a_place_is_free() -> None:
    lanes = api(lane_concurrency=1)
    lanes.found(shops(1))
    lanes.add_ready(job(10))
    assert asked(lanes) == []
    ((lane, one),) = started(lanes)
    assert one.id == 10
    assert asked(lanes) == []
    lanes.ended(lane)
    assert asked(lanes) == [1]


def test_a_place_that_comes_free_is_asked_for_even_if_no_work_was_known() -> None:
    lanes = api()
    lanes.add_ready(job(10))
    ((lane, _),) = started(lanes)
    lanes.ended(lane)
    assert asked(lanes) == [1], "the job itself may be pending again"


def test_a_marketplace_has_a_cap_on_the_whole() -> None:
    lanes = api(concurrency=3, lane_concurrency=2)
    lanes.found(shops(1, 2, 3, 4))
    lanes.add_ready(job(10, 1))
    lanes.add_ready(job(11, 1))
    requests, limit = lanes.next_requests()
    assert limit == 1
    assert [one.lane for one in requests] == [2]
    lanes.add_ready(job(12, 2))
    assert lanes.next_requests() == ((), 0)
    ((lane, _), *_) = started(lanes)
    lanes.ended(lane)
    assert lanes.next_requests()[1] == 1


def test_jobs_of_a_lane_start_in_the_order_in_which_they_came() -> None:
    lanes = api(lane_concurrency=2)
    for number in (10, 11, 12):
        lanes.add_ready(job(number))
    places = started(lanes)
    assert [one.id for _, one in places] == [10, 11]
    lanes.ended(places[0][0])
    assert [one.id for _, one in started(lanes)] == [12]


def test_jobs_that_have_not_started_can_be_taken_back_and_give_their_places_back() -> None:
    lanes = api(concurrency=2, lane_concurrency=2)
    lanes.found(shops(1))
    lanes.add_ready(job(10))
    lanes.add_ready(job(11))
    taken = lanes.take_ready()
    assert [one.id for _, one in taken] == [10, 11]
    assert started(lanes) == []
    for lane, _ in taken:
        lanes.ended(lane)
    assert lanes.taken == 0
    ((request,), limit) = lanes.next_requests()
    assert (request.room, limit) == (2, 2)


@given(st.lists(st.sampled_from(["claim", "start", "end"]), max_size=60), st.integers(1, 5))
def test_places_are_neither_lost_nor_given_twice(moves: list[str], concurrency: int) -> None:
    lanes = api(concurrency=concurrency, lane_concurrency=2)
    lanes.found(shops(1, 2, 3))
    running: list[Lane] = []
    for number, move in enumerate(moves):
        if move == "claim":
            requests, limit = lanes.next_requests()
            jobs = [job(number, one.lane) for one in requests for _ in range(one.room)]
            for one in jobs[:limit]:
                lanes.add_ready(one)
        elif move == "start":
            running += [lane for lane, _ in started(lanes)]
        elif running:
            lanes.ended(running.pop())
        assert lanes.taken <= concurrency
        assert all(running.count(lane) <= 2 for lane in running)
    running += [lane for lane, _ in started(lanes)]
    for lane in running:
        lanes.ended(lane)
    assert lanes.taken == 0


# --- sellers --------------------------------------------------------------------------------


def test_a_browser_lane_belongs_to_the_seller_and_serves_all_of_the_sellers_shops() -> None:
    lanes = browser()
    lanes.seller_connected(7)
    lanes.found(shops(1, 2, user_id=7))
    requests, _ = lanes.next_requests()
    assert requests == (LaneRequest(7, (1, 2), 1),)


def test_a_browser_runs_one_job_at_a_time_whatever_the_record_says() -> None:
    lanes = browser()
    lanes.seller_connected(7)
    lanes.add_ready(job(10, shop_id=1))
    lanes.add_ready(job(11, shop_id=2))
    ((lane, one),) = started(lanes)
    assert one.id == 10
    lanes.ended(lane)
    assert [one.id for _, one in started(lanes)] == [11]


def test_a_lane_is_asked_for_only_while_its_seller_is_connected() -> None:
    lanes = browser()
    lanes.found(shops(1, user_id=7))
    assert asked(lanes) == []
    lanes.seller_connected(7)
    assert asked(lanes) == [7]
    lanes.seller_disconnected(7)
    assert asked(lanes) == []
    lanes.seller_connected(7)
    assert asked(lanes) == [7], "its work was not forgotten meanwhile"


def test_a_seller_who_has_no_work_is_no_lane() -> None:
    lanes = browser()
    lanes.seller_connected(7)
    lanes.seller_disconnected(8)
    assert asked(lanes) == []


def test_what_a_turn_costs_does_not_grow_with_sellers_who_are_away(monkeypatch) -> None:
    looked_at: list[int] = []
    room = Lanes._room
    monkeypatch.setattr(Lanes, "_room", lambda self, lane: looked_at.append(1) or room(self, lane))

    def cost(absent: int) -> int:
        lanes = browser()
        lanes.found(shops(*range(1_000, 1_000 + absent)))
        lanes.found(shops(7))
        lanes.seller_connected(7)
        looked_at.clear()
        assert asked(lanes) == [7]
        lanes.add_ready(job(10, shop_id=7))
        ((lane, _),) = started(lanes)
        lanes.ended(lane)
        assert asked(lanes) == [7]
        return len(looked_at)

    assert cost(5_000) == cost(0)
