"""Lanes that have work and room take turns, whatever the others do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.lanes import MAX_JOBS_PER_CLAIM, MAX_LANES_PER_CLAIM, REST, SPARE_LANES, Lane, Lanes
from runtime.marketplaces.record import Marketplace
from runtime.messages import Head, LaneHeads, LaneRequest, LaneShop
from runtime.process.clock import ManualClock
from runtime.runs.job import Job, Shop

NOW = datetime(2026, 1, 9, tzinfo=UTC)


def job(number: int, shop_id: int = 1, user_id: int = 7) -> Job:
    return Job(
        id=number, fence=1, marketplace="ebay", action="publish", user_id=user_id,
        shop=Shop(shop_id, str(shop_id)), priority=3, retry_count=0, max_retries=3,
        rate_limit=timedelta(0), timeout=timedelta(seconds=60), created_at=NOW,
    )  # fmt: skip


AGING = timedelta(minutes=15)


def lanes_of(marketplace: Marketplace) -> tuple[Lanes, ManualClock]:
    lanes: Lanes

    def fall_due(_: str, message: Any) -> None:
        lanes.fell_due(message.lane)

    clock = ManualClock(fall_due)
    lanes = Lanes("marketplace:ebay", marketplace, clock, AGING)
    return lanes, clock


def api(concurrency: int = 1000, lane_concurrency: int = 2) -> Lanes:
    return lanes_of(
        Marketplace("ebay", concurrency=concurrency, lane_concurrency=lane_concurrency)
    )[0]


def browser() -> Lanes:
    return lanes_of(Marketplace("vinted", browser_bound=True, lane_concurrency=8))[0]


def shops(
    *numbers: int, user_id: int | None = None, priority: int = 3, due_in: timedelta = timedelta(0)
) -> list[LaneShop]:
    return [LaneShop(one, one if user_id is None else user_id, priority, due_in) for one in numbers]


def answer(lanes: Lanes, key: int, *heads: Head, jobs: tuple[Job, ...] = ()) -> None:
    """The answer to a claim that was not cut off."""
    for one in jobs:
        lanes.add_ready(one)
    lanes.answered([LaneHeads(key, heads)], jobs, MAX_JOBS_PER_CLAIM)


def end(lanes: Lanes, lane: Lane, back_in: timedelta | None = None) -> None:
    lanes.ended(lane, 3, back_in)


def asked(lanes: Lanes) -> list[int]:
    requests, _ = lanes.next_requests()
    return [request.lane for request in requests]


def started(lanes: Lanes) -> list[tuple[Lane, Job]]:
    places = []
    while (place := lanes.start_next()) is not None:
        places.append(place)
    return places


# --- lanes that are asked for ---------------------------------------------------------------


def test_a_lane_where_work_was_found_is_asked_for_with_its_room() -> None:
    lanes = api(lane_concurrency=5)
    lanes.found(shops(3))
    requests, limit = lanes.next_requests()
    assert requests == (LaneRequest(3, (3,), 5, urgency=3),)
    assert limit == MAX_JOBS_PER_CLAIM


def test_where_nothing_was_found_nothing_is_asked_for() -> None:
    assert api().next_requests()[0] == ()


def test_a_lane_with_no_more_work_is_not_asked_for_until_work_is_found_again() -> None:
    lanes = api()
    lanes.found(shops(3))
    assert asked(lanes) == [3]
    answer(lanes, 3)
    assert asked(lanes) == []
    lanes.found(shops(3))
    assert asked(lanes) == [3]


def test_work_that_is_found_while_a_claim_is_under_way_is_not_forgotten() -> None:
    lanes = api()
    lanes.found(shops(3, 4))
    assert asked(lanes) == [3, 4]
    lanes.found(shops(3))
    answer(lanes, 3)
    answer(lanes, 4)
    assert asked(lanes) == [3], "the claim looked before the work came"
    answer(lanes, 3)
    assert asked(lanes) == []


def test_a_lane_that_is_not_known_is_not_answered_for() -> None:
    lanes = api()
    answer(lanes, 99, Head(3, timedelta(0)))
    assert lanes.get(99) is None


def test_a_lane_is_asked_for_when_its_next_job_falls_due_and_not_before() -> None:
    lanes, clock = lanes_of(Marketplace("ebay"))
    lanes.found(shops(3, due_in=timedelta(minutes=10)))
    lanes.found(shops(3, due_in=timedelta(minutes=20)))
    assert asked(lanes) == []
    clock.advance(timedelta(minutes=9))
    assert asked(lanes) == []
    clock.advance(timedelta(minutes=1))
    assert asked(lanes) == [3]
    answer(lanes, 3, Head(3, timedelta(minutes=10)))
    assert asked(lanes) == []
    clock.advance(timedelta(minutes=10))
    assert asked(lanes) == [3]


def test_what_is_due_and_could_not_be_claimed_is_asked_for_after_a_rest() -> None:
    lanes, clock = lanes_of(Marketplace("ebay"))
    lanes.found(shops(3))
    assert asked(lanes) == [3]
    answer(lanes, 3, Head(3, timedelta(0)))
    assert asked(lanes) == [], "somebody holds it"
    clock.advance(REST)
    assert asked(lanes) == [3]
    answer(lanes, 3, Head(3, timedelta(0)))
    lanes.found(shops(3, priority=1))
    assert asked(lanes) == [3], "what is new does not wait"


# --- who is first ---------------------------------------------------------------------------


def test_of_a_full_marketplace_the_next_place_goes_to_the_most_urgent_job() -> None:
    lanes = api(concurrency=1)
    lanes.found(shops(*range(100), priority=3))
    lanes.add_ready(job(10, shop_id=0))
    ((lane, _),) = started(lanes)
    lanes.found(shops(500, priority=1))
    end(lanes, lane)
    assert asked(lanes)[0] == 500


def test_a_job_that_has_waited_rises_above_a_fresh_one_of_a_higher_priority() -> None:
    lanes, clock = lanes_of(Marketplace("ebay", concurrency=1))
    lanes.found(shops(1, priority=4))
    clock.advance(2 * AGING)
    lanes.found(shops(2, priority=3))
    assert asked(lanes)[0] == 1
    lanes.found(shops(3, priority=1))
    assert asked(lanes)[0] == 3
    clock.advance(AGING)
    lanes.found(shops(4, priority=1))
    requests, _ = lanes.next_requests()
    assert requests[0].lane == 3, "it was critical before the other one was"
    lanes.add_ready(job(30, shop_id=3))
    answer(lanes, 3)
    ((lane, _),) = started(lanes)
    end(lanes, lane)
    assert asked(lanes)[0] == 1, "and is never passed over for good"


def test_with_more_lanes_than_one_claim_names_the_more_urgent_are_named() -> None:
    lanes = api()
    lanes.found(shops(*range(250), priority=4))
    lanes.found(shops(*range(300, 350), priority=2))
    named = asked(lanes)
    assert len(named) == MAX_LANES_PER_CLAIM
    assert named[:50] == list(range(300, 350))


@given(singles=st.integers(1, 30), concurrency=st.integers(1, 5))
@settings(deadline=None)
def test_a_single_job_waits_for_no_more_than_one_job_of_a_seller_with_endless_ones(
    singles: int, concurrency: int
) -> None:
    lanes = api(concurrency=concurrency, lane_concurrency=8)
    waiting = {1: 1_000_000} | dict.fromkeys(range(2, 2 + singles), 1)
    lanes.found(shops(*waiting))
    served: list[int] = []
    running: list[Lane] = []
    while len(served) <= singles:
        requests, limit = lanes.next_requests()
        # The claim gives a job to each named lane, before any gets a second one.
        taken = [
            one.lane
            for nth in range(8)
            for one in requests
            if nth < min(one.room, waiting[one.lane])
        ][:limit]
        for key in taken:
            waiting[key] -= 1
            lanes.add_ready(job(len(served), key))
            served.append(key)
        heads = [
            LaneHeads(one.lane, (Head(3, timedelta(0)),) if waiting[one.lane] else ())
            for one in requests
        ]
        lanes.answered(heads, [job(0, key) for key in taken], limit)
        running += [lane for lane, _ in started(lanes)]
        end(lanes, running.pop(0))
    assert served[: singles + 1] == list(range(1, singles + 2))


def test_a_lane_that_got_nothing_keeps_its_turn() -> None:
    lanes = api(concurrency=1)
    lanes.found(shops(1, 2))
    assert asked(lanes)[0] == 1
    lanes.found(shops(3))
    assert asked(lanes)[0] == 1
    answer(lanes, 1, Head(3, timedelta(0)), jobs=(job(10, 1),))
    ((lane, _),) = started(lanes)
    end(lanes, lane)
    assert asked(lanes)[0] == 2
    answer(lanes, 2)
    assert asked(lanes)[0] == 3


def test_the_claim_is_told_which_priority_the_lane_got_last() -> None:
    lanes = api()
    lanes.found(shops(1))
    lanes.add_ready(job(10, 1))
    ((request,), _) = lanes.next_requests()
    assert request.after == 3


# --- jobs of one product --------------------------------------------------------------------

BLOCKED = Head(2, timedelta(0), blocked=True)


def test_a_lane_whose_jobs_wait_for_another_one_is_asked_for_when_that_has_ended() -> None:
    lanes = api()
    lanes.add_ready(job(10))
    ((lane, _),) = started(lanes)
    lanes.found(shops(1))
    assert asked(lanes) == [1]
    answer(lanes, 1, BLOCKED)
    assert asked(lanes) == []
    end(lanes, lane)
    assert asked(lanes) == [1]


def test_an_end_that_the_claim_under_way_did_not_see_is_not_forgotten() -> None:
    lanes = api()
    lanes.add_ready(job(10))
    ((lane, _),) = started(lanes)
    lanes.found(shops(1))
    assert asked(lanes) == [1]
    end(lanes, lane)
    answer(lanes, 1, BLOCKED)
    assert asked(lanes) == [1]


def test_a_change_that_came_from_outside_lets_the_lane_look_again() -> None:
    lanes = api()
    lanes.found(shops(1))
    assert asked(lanes) == [1]
    answer(lanes, 1, BLOCKED)
    assert asked(lanes) == []
    lanes.found([LaneShop(1, 1)])
    assert asked(lanes) == [1]


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
    end(lanes, first[0])
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
    end(lanes, lane)
    assert asked(lanes) == [1]


def test_a_job_that_is_pending_again_is_asked_for_when_it_may_run() -> None:
    lanes, clock = lanes_of(Marketplace("ebay"))
    for back_in in (None, timedelta(0), timedelta(minutes=1)):
        lanes.add_ready(job(10))
        ((lane, _),) = started(lanes)
        end(lanes, lane, back_in)
        assert asked(lanes) == ([1] if back_in == timedelta(0) else [])
        answer(lanes, 1) if back_in == timedelta(0) else None
    clock.advance(timedelta(minutes=1))
    assert asked(lanes) == [1]


def test_more_lanes_are_named_than_there_are_places_for_those_that_turn_out_to_have_nothing() -> (
    None
):
    lanes = api(concurrency=2)
    lanes.found(shops(*range(1, 30)))
    requests, limit = lanes.next_requests()
    assert limit == 2
    assert [one.lane for one in requests] == list(range(1, 3 + SPARE_LANES))


def test_where_lanes_of_an_urgency_are_not_even_named_none_of_it_gets_more_than_its_turn() -> None:
    lanes = api(concurrency=2, lane_concurrency=8)
    lanes.found(shops(1, priority=1))
    lanes.found(shops(*range(2, 30)))
    requests, _ = lanes.next_requests()
    assert [one.room for one in requests] == [8] + [1] * (1 + SPARE_LANES)
    assert [one.worst for one in requests] == [2] + [3] * (1 + SPARE_LANES), "nor of their urgency"


def test_a_lane_is_named_with_its_urgency_and_again_at_once_for_what_turns_out_less_urgent() -> (
    None
):
    """A job that was said to be urgent may be gone, or wait for another job of its product."""
    lanes = api(concurrency=1)
    lanes.found(shops(1, priority=1))
    lanes.found(shops(*range(2, 14), priority=2))
    requests, _ = lanes.next_requests()
    assert [(one.lane, one.urgency, one.worst) for one in requests[:2]] == [(1, 1, 1), (2, 2, 2)]
    lanes.answered([LaneHeads(1, (Head(2, timedelta(0)),))], (), 1)
    named = asked(lanes)
    assert named == list(range(2, 13))
    lanes.answered([LaneHeads(one, ()) for one in named], (), 1)
    assert asked(lanes) == [13, 1], "it is behind who was there, and does not rest"


def test_a_job_that_keeps_its_place_is_as_urgent_as_it_was() -> None:
    lanes, clock = lanes_of(Marketplace("ebay", concurrency=1))
    lanes.found(shops(1, priority=3))
    clock.advance(2 * AGING)
    answer(lanes, 1, jobs=(job(10, shop_id=1),))
    ((lane, _),) = started(lanes)
    lanes.found(shops(2, priority=2))
    end(lanes, lane, -2 * AGING)
    assert asked(lanes) == [1, 2]


def test_a_marketplace_has_a_cap_on_the_whole() -> None:
    lanes = api(concurrency=3, lane_concurrency=2)
    lanes.found(shops(1, 2, 3, 4))
    lanes.add_ready(job(10, 1))
    lanes.add_ready(job(11, 1))
    requests, limit = lanes.next_requests()
    assert limit == 1
    assert requests[0].lane == 2
    lanes.add_ready(job(12, 2))
    assert lanes.next_requests() == ((), 0)
    ((lane, _), *_) = started(lanes)
    end(lanes, lane)
    assert lanes.next_requests()[1] == 1


def test_jobs_of_a_lane_start_in_the_order_in_which_they_came() -> None:
    lanes = api(lane_concurrency=2)
    for number in (10, 11, 12):
        lanes.add_ready(job(number))
    places = started(lanes)
    assert [one.id for _, one in places] == [10, 11]
    end(lanes, places[0][0])
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
        end(lanes, lane)
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
            end(lanes, running.pop())
        assert lanes.taken <= concurrency
        assert all(running.count(lane) <= 2 for lane in running)
    running += [lane for lane, _ in started(lanes)]
    for lane in running:
        end(lanes, lane)
    assert lanes.taken == 0


# --- sellers --------------------------------------------------------------------------------


def test_a_browser_lane_belongs_to_the_seller_and_serves_all_of_the_sellers_shops() -> None:
    lanes = browser()
    lanes.seller_connected(7)
    lanes.found(shops(1, 2, user_id=7))
    requests, _ = lanes.next_requests()
    assert requests == (LaneRequest(7, (1, 2), 1, urgency=3),)


def test_a_browser_runs_one_job_at_a_time_whatever_the_record_says() -> None:
    lanes = browser()
    lanes.seller_connected(7)
    lanes.add_ready(job(10, shop_id=1))
    lanes.add_ready(job(11, shop_id=2))
    ((lane, one),) = started(lanes)
    assert one.id == 10
    end(lanes, lane)
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


def test_what_a_turn_costs_does_not_grow_with_sellers_who_are_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[int] = []
    room = Lanes._room

    def looked(lanes: Lanes, lane: Lane) -> int:
        looked_at.append(1)
        return room(lanes, lane)

    monkeypatch.setattr(Lanes, "_room", looked)

    def cost(absent: int) -> int:
        lanes = browser()
        lanes.found(shops(*range(1_000, 1_000 + absent)))
        lanes.found(shops(7))
        lanes.seller_connected(7)
        looked_at.clear()
        assert asked(lanes) == [7]
        lanes.add_ready(job(10, shop_id=7))
        ((lane, _),) = started(lanes)
        end(lanes, lane)
        assert asked(lanes) == [7]
        return len(looked_at)

    assert cost(5_000) == cost(0)
