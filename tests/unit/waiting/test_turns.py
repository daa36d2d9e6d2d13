"""Turns: the best urgency first, one after the other within it, rising while they wait."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.waiting import turns as module
from runtime.waiting.turns import Turns
from runtime.waiting.urgency import reaches, urgency

AGING = timedelta(minutes=15)
NOW = datetime(2026, 1, 9, tzinfo=UTC)


def test_a_better_urgency_is_first_however_late_it_came() -> None:
    turns = Turns(AGING)
    for key, priority in ((1, 3), (2, 4), (3, 1), (4, 2)):
        turns.put(key, {priority: NOW}, NOW)
    assert turns.first(10, NOW) == [3, 4, 1, 2]
    assert turns.first(2, NOW) == [3, 4]


def test_who_had_a_turn_is_the_last_of_its_urgency() -> None:
    turns = Turns(AGING)
    for key in (1, 2, 3):
        turns.put(key, {3: NOW}, NOW)
    turns.to_back(1)
    turns.put(1, {3: NOW}, NOW)
    assert turns.first(10, NOW) == [2, 3, 1]


def test_who_waits_with_the_same_urgency_keeps_its_place() -> None:
    turns = Turns(AGING)
    for key in (1, 2):
        turns.put(key, {3: NOW}, NOW)
    turns.put(1, {3: NOW, 4: NOW}, NOW)
    assert turns.first(10, NOW) == [1, 2]


def test_a_lane_rises_when_its_job_has_waited_long_enough() -> None:
    turns = Turns(AGING)
    turns.put(1, {4: NOW}, NOW)
    later = NOW + AGING
    turns.put(2, {3: later}, later)
    turns.put(3, {2: later}, later)
    turns.put(4, {4: later}, later)
    assert turns.first(10, later) == [3, 1, 2, 4]
    turns.remove(4)
    much_later = NOW + 3 * AGING
    turns.put(4, {1: much_later}, much_later)
    assert turns.first(10, much_later) == [3, 1, 2, 4], "who became so urgent first is first"


def test_a_job_that_falls_due_lifts_its_lane() -> None:
    turns = Turns(AGING)
    turns.put(1, {3: NOW}, NOW)
    turns.put(2, {3: NOW, 1: NOW + timedelta(seconds=5)}, NOW)
    assert turns.first(1, NOW) == [1]
    assert turns.first(1, NOW + timedelta(seconds=5)) == [2]


MOVES = st.tuples(
    st.sampled_from(["put", "back", "remove", "wait"]),
    st.integers(1, 6),
    st.dictionaries(st.integers(1, 4), st.integers(0, 60), min_size=1),
)


@given(st.lists(MOVES, max_size=60))
def test_urgencies_are_those_of_the_most_urgent_job_at_any_time(
    moves: list[tuple[str, int, Any]],
) -> None:
    turns, now = Turns(AGING), NOW
    model: dict[int, dict[int, datetime]] = {}
    for move, key, minutes in moves:
        if move == "put":
            model[key] = {one: now - timedelta(minutes=ago) for one, ago in minutes.items()}
            turns.put(key, model[key], now)
        elif move == "back":
            turns.to_back(key)
        elif move == "remove":
            model.pop(key, None)
            turns.remove(key)
        else:
            now += timedelta(minutes=key)
        urgencies = [
            min(urgency(one, now - due, AGING) for one, due in model[found].items())
            for found in turns.first(10, now)
        ]
        assert len(urgencies) == len(model) == len(turns)
        assert urgencies == sorted(urgencies)


def test_what_an_event_costs_grows_no_faster_than_the_logarithm_of_the_lanes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = Counter[str]()

    def counted(*given: Any) -> datetime:
        compared["one"] += 1
        return reaches(*given)

    monkeypatch.setattr(module, "reaches", counted)

    def cost(lanes: int) -> int:
        turns = Turns(AGING)
        for key in range(lanes):
            turns.put(key, {4: NOW}, NOW)
        compared.clear()
        for _ in range(100):
            (key,) = turns.first(1, NOW)
            turns.to_back(key)
            turns.put(key, {4: NOW}, NOW)
            turns.remove(key)
            turns.put(key, {4: NOW, 3: NOW}, NOW)
        return compared.total()

    assert cost(5_000) == cost(50)


def test_rises_that_were_overtaken_are_forgotten() -> None:
    turns = Turns(AGING)
    for seconds in range(10_000):
        turns.put(1, {4: NOW + timedelta(seconds=seconds)}, NOW + timedelta(seconds=seconds))
    assert len(turns._rises) < 200
