"""Lanes: a seller's where a browser executes the jobs, a shop's everywhere else."""

from runtime import Marketplace
from runtime.waiting.lane_policy import SELLER_LANES, LanePolicy


def test_shops_of_a_seller_share_a_lane_where_the_browser_executes_and_only_there() -> None:
    browsers, shops = SELLER_LANES, LanePolicy(jobs=8, calls=8)
    assert [browsers.key(shop, 7) for shop in (1, 2)] == [7, 7]
    assert [shops.key(shop, 7) for shop in (1, 2)] == [1, 2]


def test_a_seller_has_to_be_connected_where_the_browser_executes_and_only_there() -> None:
    browsers, shops = SELLER_LANES, LanePolicy(jobs=8, calls=8)
    assert [browsers.is_served(connected) for connected in (True, False)] == [True, False]
    assert [shops.is_served(connected) for connected in (True, False)] == [True, True]


def test_a_browser_does_one_thing_at_a_time_whatever_the_record_says() -> None:
    said = Marketplace("m", browser_bound=True, lane_concurrency=8, lane_calls=8)
    assert (said.lanes.jobs, said.lanes.calls) == (1, 1)


def test_a_shop_has_the_room_that_the_record_gives_it() -> None:
    said = Marketplace("m", lane_concurrency=3, lane_calls=2)
    assert said.lanes == LanePolicy(jobs=3, calls=2)
