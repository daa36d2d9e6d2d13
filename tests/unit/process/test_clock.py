"""Clocks: messages that are due at a time."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.process.clock import ManualClock, SystemClock

SECOND = timedelta(seconds=1)


class Told:
    """The messages that were told, and their times."""

    def __init__(self) -> None:
        self.messages: list[tuple[datetime, str, Any]] = []
        self.clock = ManualClock(self.tell)

    def tell(self, actor: str, message: Any) -> None:
        self.messages.append((self.clock.now(), actor, message))

    def seen(self) -> list[Any]:
        return [message for _, _, message in self.messages]


def test_a_message_comes_at_its_time_and_not_before() -> None:
    told = Told()
    start = told.clock.now()
    told.clock.call_at(start + 3 * SECOND, "bridge", "deadline")
    told.clock.advance(2 * SECOND)
    assert told.messages == []
    told.clock.advance(5 * SECOND)
    assert told.messages == [(start + 3 * SECOND, "bridge", "deadline")]
    assert told.clock.now() == start + 7 * SECOND


def test_of_equal_times_the_earlier_made_comes_first() -> None:
    told = Told()
    when = told.clock.now() + SECOND
    for number in range(5):
        told.clock.call_at(when, "x", number)
    told.clock.advance(SECOND)
    assert told.seen() == [0, 1, 2, 3, 4]


def test_a_cancelled_timer_is_not_delivered() -> None:
    told = Told()
    kept = told.clock.call_at(told.clock.now() + 2 * SECOND, "x", "kept")
    taken_back = told.clock.call_at(told.clock.now() + SECOND, "x", "taken back")
    taken_back.cancel()
    assert told.clock.next_due() == told.clock.now() + 2 * SECOND
    told.clock.advance(5 * SECOND)
    assert told.seen() == ["kept"]
    kept.cancel()
    assert told.clock.next_due() is None


def test_a_time_that_has_passed_is_due_at_once() -> None:
    told = Told()
    told.clock.call_at(told.clock.now() - SECOND, "x", "late")
    told.clock.advance(timedelta(0))
    assert told.messages == [(told.clock.now(), "x", "late")]


def test_what_a_delivery_makes_due_in_the_same_stretch_is_delivered_too() -> None:
    clock = ManualClock(lambda actor, left: again(left))
    seen: list[timedelta] = []
    start = clock.now()

    def again(left: int) -> None:
        seen.append(clock.now() - start)
        if left:
            clock.call_at(clock.now() + SECOND, "x", left - 1)

    clock.call_at(start + SECOND, "x", 2)
    clock.advance(10 * SECOND)
    assert seen == [SECOND, 2 * SECOND, 3 * SECOND]


@given(delays=st.lists(st.integers(-5, 50)), cancelled=st.sets(st.integers(0, 20)), steps=st.data())
def test_however_time_moves_each_timer_comes_once_in_order(
    delays: list[int], cancelled: set[int], steps: st.DataObject
) -> None:
    told = Told()
    start = told.clock.now()
    timers = [
        told.clock.call_at(start + delay * SECOND, "x", number)
        for number, delay in enumerate(delays)
    ]
    for number in cancelled & set(range(len(timers))):
        timers[number].cancel()
    while told.clock.now() < start + 50 * SECOND:
        told.clock.advance(steps.draw(st.integers(1, 60)) * SECOND)
    expected = sorted((max(d, 0), d, n) for n, d in enumerate(delays) if n not in cancelled)
    assert [(told_at - start, n) for told_at, _, n in told.messages] == [
        (delay * SECOND, n) for delay, _, n in expected
    ]


@pytest.fixture
def real() -> Iterator[tuple[SystemClock, list[Any], threading.Semaphore]]:
    told: list[Any] = []
    arrived = threading.Semaphore(0)

    def tell(actor: str, message: Any) -> None:
        told.append((actor, message))
        arrived.release()

    clock = SystemClock(tell)
    clock.start()
    yield clock, told, arrived
    clock.stop()


def test_the_real_clock_delivers_what_is_due(
    real: tuple[SystemClock, list[Any], threading.Semaphore],
) -> None:
    clock, told, arrived = real
    clock.call_at(clock.now() + timedelta(days=1), "x", "tomorrow")
    clock.call_at(clock.now() + timedelta(milliseconds=20), "x", "soon")
    clock.call_at(clock.now(), "x", "now")
    clock.call_at(clock.now() - SECOND, "x", "taken back").cancel()
    assert arrived.acquire(timeout=60)
    assert arrived.acquire(timeout=60)
    assert told == [("x", "now"), ("x", "soon")]


def test_a_timer_at_the_end_of_time_stops_no_other(
    real: tuple[SystemClock, list[Any], threading.Semaphore],
) -> None:
    clock, told, arrived = real
    clock.call_at(datetime.max.replace(tzinfo=UTC), "x", "never")
    clock.call_at(clock.now() + timedelta(milliseconds=50), "x", "soon")
    assert arrived.acquire(timeout=60)
    assert told == [("x", "soon")]


def test_the_real_clock_tells_utc_and_never_steps_back(
    real: tuple[SystemClock, list[Any], threading.Semaphore],
) -> None:
    clock, _, _ = real
    times = [clock.now() for _ in range(1_000)]
    assert times == sorted(times)
    assert times[0].tzinfo is UTC
    assert abs(times[0] - datetime.now(UTC)) < timedelta(minutes=1)
