"""Children: what fails is restarted, ever more slowly, and then marked down for a while."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pykka
import pytest

from actors.children import DOWN_FOR, FIRST_BACKOFF, HEALTHY_AFTER, MAX_FAILURES, Child

NOW = datetime(2026, 1, 9, tzinfo=UTC)


class Quiet(pykka.ThreadingActor):
    use_daemon_thread = True


@pytest.fixture
def child() -> Iterator[Child]:
    spawned: list[pykka.ActorRef[Quiet]] = []

    def spawn(incarnation: int) -> pykka.ActorRef[Quiet]:
        assert incarnation == len(spawned) + 1
        spawned.append(Quiet.start())
        return spawned[-1]

    yield Child("bridge", spawn)
    for ref in spawned:
        if ref.is_alive():
            ref.stop(timeout=60)


def test_each_start_is_a_new_incarnation(child: Child) -> None:
    assert child.incarnation == 0
    child.start()
    child.start()
    assert child.incarnation == 2


def test_restarts_back_off(child: Child) -> None:
    delays = [child.failed(NOW) for _ in range(MAX_FAILURES)]
    assert delays == [FIRST_BACKOFF * factor for factor in (1, 2, 4, 8, 16)]
    assert not child.down


def test_what_fails_too_often_is_down_and_tried_only_now_and_then(child: Child) -> None:
    for _ in range(MAX_FAILURES):
        child.failed(NOW)
    assert child.failed(NOW) == DOWN_FOR
    assert child.down
    child.start()
    child.started(NOW)
    assert child.failed(NOW + HEALTHY_AFTER) == DOWN_FOR


def test_what_was_healthy_in_between_begins_anew(child: Child) -> None:
    for _ in range(MAX_FAILURES + 1):
        child.failed(NOW)
    child.start()
    child.started(NOW)
    assert child.failed(NOW + HEALTHY_AFTER + FIRST_BACKOFF) == FIRST_BACKOFF
    assert not child.down


def test_what_never_reported_its_start_was_not_healthy(child: Child) -> None:
    child.started(NOW)
    child.failed(NOW)
    child.start()
    assert child.failed(NOW + timedelta(days=1)) == 2 * FIRST_BACKOFF


def test_a_child_that_is_gone_without_a_word_is_noticed(child: Child) -> None:
    assert not child.died_silently(), "it was never started"
    child.start()
    assert not child.died_silently()
    assert child._ref is not None
    child._ref.stop(timeout=60)
    assert child.died_silently()
    child.failed(NOW)
    assert not child.died_silently(), "its failure is known"
    child.start()
    assert not child.died_silently()


def test_a_child_that_runs_already_is_taken_over_as_it_is(child: Child) -> None:
    ref = Quiet.start()
    child.adopt(ref, 5)
    assert child.incarnation == 5
    assert not child.died_silently()
    ref.stop(timeout=60)
    assert child.died_silently()
