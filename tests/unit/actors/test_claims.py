"""Claims: one at a time, given up when nobody answers, and what they lost is found again."""

from datetime import timedelta
from typing import Any

import pytest

from actors.base_actor import BaseActor
from actors.claims import CLAIM_LOST_AFTER, Claims
from actors.lanes import Lanes
from runtime import Marketplace, messages
from runtime.messages import LaneShop, RunningJob
from runtime.process.clock import ManualClock
from runtime.rate_limits.closures import Level, Scope
from runtime.waiting.urgency import DEFAULT_AGING
from tests.support.actors.dispatch_bench import RecordingDirectory

SECOND = timedelta(seconds=1)


class World:
    """Claims for two lanes that have work."""

    def __init__(self) -> None:
        self.directory = RecordingDirectory()
        self.clock = ManualClock(lambda _name, _message: None)
        actor: Any = BaseActor("marketplace:m", 1, self.directory, self.clock)
        lanes = Lanes("marketplace:m", Marketplace("m"), self.clock, DEFAULT_AGING)
        lanes.found([LaneShop(1, 7), LaneShop(2, 8)])
        self.claims = Claims(actor, "m", lanes)

    def asked(self) -> list[int]:
        """The numbers of the claims that were asked for since the last look."""
        told, self.directory.told = self.directory.told, []
        requests = [one for name, one in told if name == messages.SUPERVISOR]
        return [one.sequence for one in requests if isinstance(one, messages.ClaimRequested)]


@pytest.fixture
def world() -> World:
    return World()


def test_one_claim_is_under_way_at_a_time(world: World) -> None:
    world.claims.ask()
    world.claims.ask()
    assert world.asked() == [1]
    assert world.claims.answered(1) is not None
    world.claims.ask()
    assert world.asked() == [2]


def test_a_claim_that_nobody_answers_is_given_up(world: World) -> None:
    world.claims.ask()
    world.clock.advance(CLAIM_LOST_AFTER - SECOND)
    world.claims.ask()
    assert world.asked() == [1]
    world.clock.advance(SECOND)
    world.claims.ask()
    assert world.asked() == [2]
    assert world.claims.answered(1) is None, "its answer comes too late"
    assert world.claims.pending is not None


def test_a_supervisor_that_began_anew_is_asked_at_once(world: World) -> None:
    world.claims.ask()
    world.claims.forgotten()
    world.claims.ask()
    assert world.asked() == [1, 2]


def test_where_no_lane_has_work_nothing_is_asked(world: World) -> None:
    world.claims._lanes.marketplace_closed(Scope("m", Level.MARKETPLACE), True)
    world.claims.ask()
    assert (world.asked(), world.claims.pending) == ([], None)


def test_a_job_that_never_came_is_found_when_it_is_missed_twice_in_a_row(world: World) -> None:
    first, second = (RunningJob(number, 3, "m", cancel_requested=False) for number in (1, 2))
    assert world.claims.strays([first, second], set()) == set()
    assert world.claims.strays([first], {(1, 3)}) == set(), "it came meanwhile"
    assert world.claims.strays([first], set()) == set()
    assert world.claims.strays([first], set()) == {(1, 3)}
