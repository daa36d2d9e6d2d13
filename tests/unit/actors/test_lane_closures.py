"""Closed lanes, and no others, are not asked for; they are asked for again when they open."""

from datetime import timedelta
from typing import Any

import pytest

from actors.lane_closures import LaneClosures
from actors.lanes import Lanes
from runtime import Marketplace, messages
from runtime.answers.limit_keeper import Changes
from runtime.messages import LaneHeads, LaneShop
from runtime.process.clock import ManualClock
from runtime.rate_limits.closures import Closure, ClosureKind, Level, Scope

PAUSED, LIMITED = ClosureKind.PAUSED, ClosureKind.RATE_LIMIT
SECOND = timedelta(seconds=1)


class World:
    """The lanes of one marketplace, and what closes them; shops 1 and 2 are seller 7's."""

    def __init__(self, **marketplace: Any) -> None:
        self.clock = ManualClock(self._fall_due)
        self.told: list[tuple[str, Any]] = []
        record = Marketplace("m", **marketplace)
        self.lanes = Lanes("marketplace:m", record, self.clock, timedelta(minutes=15))
        self.closures = LaneClosures("marketplace:m", "m", self.lanes, self.clock, self._tell)
        self.lanes.seller_connected(7)
        self.lanes.seller_connected(8)
        self.lanes.found([LaneShop(1, 7), LaneShop(2, 7), LaneShop(3, 8)])

    def _tell(self, name: str, message: object) -> None:
        self.told.append((name, message))

    def _fall_due(self, _name: str, message: object) -> None:
        if isinstance(message, messages.LaneDue):
            self.lanes.fell_due(message.lane)
            return
        assert isinstance(message, messages.ClosureOver)
        self.closures.over(message.scope)

    def asked_for(self) -> set[int]:
        """The shops that are asked for now; whatever was found is not there after all."""
        requests, limit = self.lanes.next_requests()
        self.lanes.answered([LaneHeads(one.lane, ()) for one in requests], (), limit)
        return {shop for request in requests for shop in request.shop_ids}

    def closure(
        self,
        level: Level,
        shop: int | None = None,
        action: str | None = None,
        kind: ClosureKind = PAUSED,
        seconds: int | None = None,
    ) -> Closure:
        now = self.clock.now()
        until = None if seconds is None else now + seconds * SECOND
        return Closure(Scope("m", level, shop, action), kind, "why", now, until)


@pytest.fixture
def world() -> World:
    return World()


def test_a_closed_shop_is_passed_over_until_it_is_opened(world: World) -> None:
    closure = world.closure(Level.SHOP, 2)
    world.closures.load((closure,))
    assert world.asked_for() == {1, 3}
    assert world.asked_for() == set()
    world.closures.load(())
    assert world.asked_for() == {2}


def test_where_one_shop_of_a_seller_is_closed_the_other_goes_on() -> None:
    world = World(browser_bound=True)
    world.closures.load((world.closure(Level.SHOP, 2),))
    assert world.asked_for() == {1, 3}
    world.closures.load((world.closure(Level.SHOP, 1), world.closure(Level.SHOP, 2)))
    world.lanes.found([LaneShop(1, 7), LaneShop(2, 7)])
    assert world.asked_for() == set()
    world.closures.load((world.closure(Level.SHOP, 1),))
    assert world.asked_for() == {2}


@pytest.mark.parametrize("level", [Level.MARKETPLACE, Level.APP_KEY])
def test_what_is_above_the_shops_closes_all_of_them(world: World, level: Level) -> None:
    world.closures.load((world.closure(level),))
    assert world.asked_for() == set()
    world.closures.load(())
    assert world.asked_for() == {1, 2, 3}


def test_a_closed_action_leaves_its_shop_open(world: World) -> None:
    world.closures.load((world.closure(Level.ACTION, 2, "publish"),))
    assert world.asked_for() == {1, 2, 3}


def test_a_closure_that_is_over_at_once_is_waited_for_by_the_calls_alone(world: World) -> None:
    world.closures.load((world.closure(Level.SHOP, 2, kind=LIMITED, seconds=1),))
    assert world.asked_for() == {1, 2, 3}


def test_when_its_time_is_over_exactly_its_lane_is_found_again(world: World) -> None:
    world.closures.load(
        (
            world.closure(Level.SHOP, 2, kind=LIMITED, seconds=60),
            world.closure(Level.SHOP, 3, seconds=90),
        )
    )
    assert world.asked_for() == {1}
    world.clock.advance(59 * SECOND)
    assert world.asked_for() == set()
    world.clock.advance(SECOND)
    assert world.asked_for() == {2}
    world.clock.advance(30 * SECOND)
    assert world.asked_for() == {3}


def test_a_shop_that_is_closed_twice_opens_with_the_last(world: World) -> None:
    limited = world.closure(Level.SHOP, 2, kind=LIMITED, seconds=60)
    world.closures.load((limited, world.closure(Level.SHOP, 2)))
    world.clock.advance(60 * SECOND)
    assert world.asked_for() == {1, 3}
    world.closures.load((limited,))
    assert world.asked_for() == {2}


def test_a_longer_word_takes_the_place_of_a_shorter_one(world: World) -> None:
    world.closures.load((world.closure(Level.SHOP, 2, kind=LIMITED, seconds=60),))
    world.clock.advance(30 * SECOND)
    world.closures.load((world.closure(Level.SHOP, 2, kind=LIMITED, seconds=60),))
    world.clock.advance(30 * SECOND)
    assert world.asked_for() == {1, 3}
    world.clock.advance(30 * SECOND)
    assert world.asked_for() == {2}


def test_what_is_not_written_yet_is_not_forgotten_by_a_load(world: World) -> None:
    closure = world.closure(Level.SHOP, 2)
    world.closures.make_known(Changes(closed=[closure]))
    ((to, entry),) = world.told
    assert (to, entry) == (messages.RECORDER, messages.RecordClosure(closure))
    assert world.closures.load(()) == (closure,)
    assert world.asked_for() == {1, 3}
    world.closures.recorded(entry)
    assert world.closures.load(()) == ()
    assert world.asked_for() == {2}


def test_an_opening_that_is_not_written_yet_is_not_undone_by_a_load(world: World) -> None:
    closure = world.closure(Level.SHOP, 2)
    world.closures.load((closure,))
    world.closures.make_known(Changes(opened=[closure.key]))
    assert world.told == [(messages.RECORDER, messages.RecordOpening(closure.scope, closure.kind))]
    assert world.closures.load((closure,)) == ()
    assert world.asked_for() == {1, 2, 3}


def test_an_older_word_that_was_written_leaves_the_newer_one_to_be(world: World) -> None:
    older, newer = world.closure(Level.SHOP, 2), world.closure(Level.SHOP, 2, seconds=60)
    for closure in (older, newer):
        world.closures.make_known(Changes(closed=[closure]))
    (_, written), _ = world.told
    world.closures.recorded(written)
    assert world.closures.load((older,)) == (newer,)


def test_a_recorder_that_began_anew_is_told_again(world: World) -> None:
    closure = world.closure(Level.SHOP, 2)
    world.closures.make_known(Changes(closed=[closure]))
    world.told.clear()
    world.closures.ask()
    assert world.told == [
        (messages.RECORDER, messages.RecordClosure(closure)),
        (messages.RECORDER, messages.LoadClosures("marketplace:m", "m")),
    ]
