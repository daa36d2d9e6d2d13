"""The schedules actor wakes when one is due, at a hint, and after a poll at the latest."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import make_url

import actors.scheduler
from actors.directory import Directory
from actors.scheduler import SchedulerActor
from runtime.errors import DatabaseUnavailable
from runtime.jobs.schedule_firing import Fired
from runtime.messages import SCHEDULES, ScheduleDue, SchedulesChanged
from runtime.process.clock import ManualClock
from runtime.storage.server.engine import Database

POLL = timedelta(seconds=5)
SECOND = timedelta(seconds=1)


class Bench:
    """The actor on a clock that is moved by hand, and what looking at the schedules brings."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks: list[timedelta] = []
        self.brings: Fired | DatabaseUnavailable = Fired(0, {}, None)
        self.clock = ManualClock(lambda _name, message: self.actor.receive(message))
        self.begin = self.clock.now()
        monkeypatch.setattr(actors.scheduler, "fire_due", self._look)
        monkeypatch.setattr(Database, "transaction", lambda *_: _Nothing())
        self.actor = SchedulerActor(
            SCHEDULES, 1, Directory(), self.clock,
            database=Database(make_url("postgresql+psycopg2://nobody@127.0.0.1:1/none")),
            poll_interval=POLL,
        )  # fmt: skip

    def _look(self, _session: Any) -> Fired:
        self.looks.append(self.clock.now() - self.begin)
        if isinstance(self.brings, DatabaseUnavailable):
            raise self.brings
        return self.brings


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_it_looks_at_once_and_wakes_when_the_next_is_due(bench: Bench) -> None:
    bench.brings = Fired(0, {}, 2 * SECOND)
    bench.actor.started()
    bench.clock.advance(4 * SECOND)
    assert bench.looks == [timedelta(0), 2 * SECOND, 4 * SECOND]


@pytest.mark.parametrize("next_in", [None, timedelta(days=9)])
def test_a_poll_later_it_looks_at_the_latest(bench: Bench, next_in: timedelta | None) -> None:
    bench.brings = Fired(0, {}, next_in)
    bench.actor.started()
    bench.clock.advance(POLL)
    assert bench.looks == [timedelta(0), POLL]


def test_more_that_is_due_is_fired_at_once_and_what_is_stuck_waits_for_the_poll(
    bench: Bench,
) -> None:
    bench.brings = Fired(50, {}, -SECOND)
    bench.actor.started()
    bench.brings = Fired(0, {"a": "its row is locked"}, -SECOND)
    bench.clock.advance(POLL - SECOND)
    assert bench.looks == [timedelta(0)] * 2


def test_a_hint_replaces_the_timer(bench: Bench) -> None:
    bench.brings = Fired(0, {}, 3 * SECOND)
    bench.actor.started()
    bench.clock.advance(SECOND)
    bench.actor.receive(SchedulesChanged())
    bench.clock.advance(4 * SECOND - SECOND)
    assert bench.looks == [timedelta(0), SECOND, 4 * SECOND]


def test_a_database_that_is_away_is_asked_again_after_a_poll(bench: Bench) -> None:
    bench.brings = DatabaseUnavailable("away")
    bench.actor.started()
    bench.clock.advance(POLL - SECOND)
    assert bench.looks == [timedelta(0)]
    bench.brings = Fired(0, {}, None)
    bench.clock.advance(SECOND)
    assert bench.looks == [timedelta(0), POLL]


def test_its_own_timer_is_a_hint_like_any_other(bench: Bench) -> None:
    bench.actor.receive(ScheduleDue())
    assert bench.looks == [timedelta(0)]
