"""A fixed number of daemon threads."""

import threading
from collections.abc import Iterator

import pytest

from actors.threads import DaemonThreads


@pytest.fixture
def pool() -> Iterator[DaemonThreads]:
    made = DaemonThreads("test", 2)
    yield made
    made.stop()


class Meeting:
    """Work that waits until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.over = threading.Event()
        self.threads: set[threading.Thread] = set()

    def __call__(self) -> None:
        self.threads.add(threading.current_thread())
        self.begun.release()
        self.over.wait(30)


def test_so_much_runs_at_once_and_no_more(pool: DaemonThreads) -> None:
    meeting = Meeting()
    for _ in range(3):
        assert pool.submit(meeting)
    assert meeting.begun.acquire(timeout=60)
    assert meeting.begun.acquire(timeout=60)
    assert not meeting.begun.acquire(blocking=False)
    meeting.over.set()
    assert meeting.begun.acquire(timeout=60)
    assert len(meeting.threads) == 2
    assert all(one.daemon and one.name.startswith("test-") for one in meeting.threads)


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_work_that_raises_costs_the_pool_no_thread(error: type[BaseException]) -> None:
    pool = DaemonThreads("test", 1)
    done = threading.Event()

    def fail() -> None:
        raise error

    pool.submit(fail)
    pool.submit(done.set)
    assert done.wait(60)
    pool.stop()


def test_once_stopped_nothing_is_taken_and_nothing_that_waits_begins() -> None:
    pool = DaemonThreads("test", 1)
    meeting, waiting = Meeting(), threading.Event()
    pool.submit(meeting)
    pool.submit(waiting.set)
    assert meeting.begun.acquire(timeout=60)
    pool.stop()
    assert not pool.submit(waiting.set)
    meeting.over.set()
    for thread in meeting.threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not waiting.is_set()
