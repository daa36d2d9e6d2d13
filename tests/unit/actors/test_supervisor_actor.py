"""The supervisor: keeps the other actors alive, and stops them in order."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pykka
import pytest
from sqlalchemy import make_url

from actors.children import DOWN_FOR, MAX_FAILURES
from actors.directory import Directory
from actors.supervisor import CHECK_INTERVAL, CLAIM_BACKOFF, SupervisorActor
from runtime import messages
from runtime.messages import (
    BRIDGE,
    HTTP,
    RECORDER,
    SCHEDULES,
    ActorFailed,
    ActorRestarted,
    ActorStarted,
    CancelRequested,
    Drain,
    Drained,
    HandBackJobs,
    JobsAnnounced,
    JobsHandedBack,
    LanesFound,
    LaneShop,
    SchedulesChanged,
)
from runtime.process.clock import ManualClock
from runtime.storage.server.engine import Database

SECOND = timedelta(seconds=1)
POLL = 5 * SECOND
EBAY, VINTED = "marketplace:ebay", "marketplace:vinted"
UNREACHABLE = Database(make_url("postgresql+psycopg2://nobody@127.0.0.1:1/none"))


class RecordingDirectory(Directory):
    """Notes what is told to whom."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, Any]] = []

    def tell(self, name: str, message: Any) -> None:
        self.told.append((name, message))


class Quiet(pykka.ThreadingActor):
    """A child that does nothing."""

    use_daemon_thread = True


class Bench:
    """A supervisor with children that do nothing, driven by hand."""

    def __init__(self) -> None:
        self.directory = RecordingDirectory()
        self.clock = ManualClock(self._fall_due)
        self.drained = threading.Event()
        self.spawned: list[tuple[str, int]] = []
        self.refs: dict[str, pykka.ActorRef[Any]] = {}
        self.supervisor = self.new_supervisor(1)

    def _fall_due(self, name: str, message: Any) -> None:
        if name == messages.SUPERVISOR:
            self.supervisor.receive(message)
        else:
            self.directory.tell(name, message)

    def new_supervisor(self, incarnation: int) -> SupervisorActor:
        return SupervisorActor(
            messages.SUPERVISOR,
            incarnation,
            self.directory,
            self.clock,
            spawns={name: self._spawn(name) for name in (RECORDER, HTTP, EBAY, VINTED, BRIDGE)},
            marketplaces=("ebay", "vinted"),
            database=UNREACHABLE,
            node_id=1,
            markers=Path("nowhere"),
            poll_interval=POLL,
            drained=self.drained,
        )

    def _spawn(self, name: str) -> Callable[[int], pykka.ActorRef[Any]]:
        def spawn(incarnation: int) -> pykka.ActorRef[Any]:
            self.spawned.append((name, incarnation))
            self.refs[name] = Quiet.start()
            self.directory.register(name, self.refs[name], incarnation)
            return self.refs[name]

        return spawn

    def start(self) -> None:
        """Start, and let every child report its start."""
        self.supervisor.started()
        for name, incarnation in self.spawned:
            self.supervisor.receive(ActorStarted(name, incarnation))
        self.forget()

    def forget(self) -> None:
        self.spawned.clear()
        self.directory.told.clear()

    def receive(self, *received: Any) -> None:
        for message in received:
            self.supervisor.receive(message)

    def restart(self, name: str, incarnation: int = 1) -> None:
        """Let a child fail, come back and report its start."""
        self.receive(ActorFailed(name, incarnation, "boom"))
        self.clock.advance(SECOND)
        if name in (EBAY, VINTED):
            self.receive(JobsHandedBack(name.removeprefix("marketplace:"), 0))
        self.receive(ActorStarted(name, incarnation + 1))

    def told(self, kind: type) -> list[tuple[str, Any]]:
        return [(name, one) for name, one in self.directory.told if isinstance(one, kind)]

    def stop(self) -> None:
        for ref in self.refs.values():
            if ref.is_alive():
                ref.stop(timeout=60)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.stop()


@pytest.fixture
def running(bench: Bench) -> Bench:
    bench.start()
    return bench


# --- starting -------------------------------------------------------------------------------


def test_children_are_started_in_order_though_the_database_is_away(bench: Bench) -> None:
    bench.supervisor.started()
    assert bench.spawned == [(name, 1) for name in (RECORDER, HTTP, EBAY, VINTED, BRIDGE)]


def test_a_new_supervisor_takes_over_what_runs(running: Bench) -> None:
    running.supervisor = running.new_supervisor(2)
    running.supervisor.started()
    assert running.spawned == []
    running.receive(ActorFailed(BRIDGE, 1, "boom"))
    running.clock.advance(SECOND)
    assert running.spawned == [(BRIDGE, 2)]


def test_a_new_supervisor_hands_back_what_a_dead_marketplace_actor_ran(running: Bench) -> None:
    running.refs[EBAY].stop(timeout=60)
    running.supervisor = running.new_supervisor(2)
    running.supervisor.started()
    assert running.told(HandBackJobs) == [(RECORDER, HandBackJobs(messages.SUPERVISOR, "ebay"))]
    assert running.spawned == []
    running.receive(JobsHandedBack("ebay", 3))
    assert [name for name, _ in running.spawned] == [EBAY]


# --- loading jobs ---------------------------------------------------------------------------


def test_what_is_announced_goes_to_the_actor_of_the_marketplace(running: Bench) -> None:
    shops = (LaneShop(2, 7),)
    running.receive(JobsAnnounced("vinted", shops), JobsAnnounced("nobody", shops))
    assert running.directory.told == [(VINTED, LanesFound(shops))]


def test_a_cancellation_goes_to_all_marketplaces(running: Bench) -> None:
    running.receive(CancelRequested(12))
    assert running.directory.told == [(EBAY, CancelRequested(12)), (VINTED, CancelRequested(12))]


def test_a_change_of_the_schedules_goes_to_their_actor(running: Bench) -> None:
    running.receive(SchedulesChanged())
    assert running.directory.told == [(SCHEDULES, SchedulesChanged())]


def test_a_change_of_closures_is_read_for_its_marketplace_and_a_poll_for_all(
    running: Bench,
) -> None:
    running.directory.told.clear()
    running.receive(messages.ClosuresChanged("vinted"), messages.ClosuresChanged("unknown"))
    load = messages.LoadClosures(VINTED, "vinted")
    assert running.told(messages.LoadClosures) == [(messages.RECORDER, load)]
    running.directory.told.clear()
    running.receive(messages.Poll())
    loads = [message.marketplace for _, message in running.told(messages.LoadClosures)]
    assert loads == ["ebay", "vinted"]


def test_a_claim_that_finds_the_database_away_is_answered_after_a_while(running: Bench) -> None:
    running.receive(messages.ClaimRequested("ebay", 5, (messages.LaneRequest(2, (2,), 1),), 100))
    assert running.told(messages.ClaimFailed) == []
    running.clock.advance(CLAIM_BACKOFF)
    assert running.told(messages.ClaimFailed) == [(EBAY, messages.ClaimFailed(5))]


def test_polling_and_checking_go_on_though_the_database_is_away(running: Bench) -> None:
    running.clock.advance(10 * POLL)
    due = running.clock.next_due()
    assert due is not None
    assert due <= running.clock.now() + CHECK_INTERVAL
    assert running.told(ActorFailed) == []
    running.receive(messages.ListeningAgain())


# --- keeping children alive -----------------------------------------------------------------


def test_a_child_that_fails_is_restarted_after_a_while_and_the_others_are_told(
    running: Bench,
) -> None:
    running.receive(ActorFailed(BRIDGE, 1, "boom"))
    assert running.spawned == []
    running.clock.advance(SECOND)
    assert running.spawned == [(BRIDGE, 2)]
    running.receive(ActorStarted(BRIDGE, 2))
    restarted = ActorRestarted(BRIDGE)
    assert [name for name, one in running.told(ActorRestarted) if one == restarted] == [
        EBAY, VINTED, BRIDGE,
    ]  # fmt: skip


def test_a_failure_counts_once_and_those_of_former_incarnations_do_not(running: Bench) -> None:
    for _ in range(MAX_FAILURES + 1):
        running.receive(ActorFailed(BRIDGE, 1, "boom"))
    running.clock.advance(SECOND)
    running.receive(ActorFailed(BRIDGE, 1, "late"), ActorFailed("stranger", 1, "boom"))
    running.clock.advance(DOWN_FOR)
    assert running.spawned == [(BRIDGE, 2)]
    running.receive(ActorFailed(BRIDGE, 2, "boom"))
    running.clock.advance(SECOND)
    assert running.spawned == [(BRIDGE, 2), (BRIDGE, 3)], "it is not down"


def test_a_child_that_is_gone_without_a_word_is_restarted(running: Bench) -> None:
    running.refs[HTTP].stop(timeout=60)
    running.clock.advance(CHECK_INTERVAL)
    running.clock.advance(SECOND)
    assert running.spawned == [(HTTP, 2)]


def test_a_child_that_keeps_failing_is_marked_down_and_the_others_go_on(running: Bench) -> None:
    for incarnation in range(1, MAX_FAILURES + 1):
        running.receive(ActorFailed(HTTP, incarnation, "boom"))
        running.clock.advance(2 * SECOND)
    running.spawned.clear()
    running.receive(ActorFailed(HTTP, MAX_FAILURES + 1, "boom"))
    running.clock.advance(DOWN_FOR - SECOND)
    assert running.spawned == []
    running.clock.advance(SECOND)
    assert running.spawned == [(HTTP, MAX_FAILURES + 2)]


def test_before_a_marketplace_actor_starts_again_its_jobs_are_handed_back(running: Bench) -> None:
    running.receive(ActorFailed(EBAY, 1, "boom"))
    running.clock.advance(SECOND)
    assert running.told(HandBackJobs) == [(RECORDER, HandBackJobs(messages.SUPERVISOR, "ebay"))]
    assert running.spawned == []
    running.receive(JobsHandedBack("ebay", 3), JobsHandedBack("ebay", 0))
    assert running.spawned == [(EBAY, 2)]


def test_a_recorder_that_forgot_is_asked_again_to_hand_back(running: Bench) -> None:
    running.receive(ActorFailed(EBAY, 1, "boom"))
    running.clock.advance(SECOND)
    running.forget()
    running.restart(RECORDER)
    assert running.told(HandBackJobs) == [(RECORDER, HandBackJobs(messages.SUPERVISOR, "ebay"))]


def test_a_child_that_stops_by_itself_reports_no_failure(running: Bench) -> None:
    running.receive(messages.ActorStopped(BRIDGE, 1))
    running.clock.advance(timedelta(0))
    assert running.spawned == []


# --- stopping in order ----------------------------------------------------------------------


def drain(bench: Bench) -> Drain:
    order = Drain(bench.clock.now() + 20 * SECOND)
    bench.receive(order)
    return order


def test_marketplaces_drain_first_and_the_recorder_last(running: Bench) -> None:
    order = drain(running)
    assert running.told(Drain) == [(EBAY, order), (VINTED, order)]
    running.receive(Drained(EBAY), Drained(EBAY))
    assert len(running.told(Drain)) == 2
    running.receive(Drained(VINTED))
    assert running.told(Drain)[2:] == [(RECORDER, order)]
    assert not running.drained.is_set()
    running.receive(Drained(RECORDER))
    assert running.drained.is_set()


def test_while_it_stops_nothing_is_claimed_or_looked_for(running: Bench) -> None:
    drain(running)
    running.forget()
    running.receive(messages.ClaimRequested("ebay", 5, (), 100), messages.ListeningAgain())
    running.clock.advance(CLAIM_BACKOFF)
    assert running.told(messages.ClaimFailed) == []


def test_a_marketplace_that_dies_while_it_stops_holds_up_nobody(running: Bench) -> None:
    order = drain(running)
    running.receive(Drained(VINTED), ActorFailed(EBAY, 1, "boom"))
    assert running.told(Drain)[-1] == (RECORDER, order)


def test_a_marketplace_that_was_dead_already_is_not_waited_for(running: Bench) -> None:
    running.receive(ActorFailed(EBAY, 1, "boom"))
    order = drain(running)
    assert running.told(Drain) == [(VINTED, order)]
    running.receive(Drained(VINTED))
    assert running.told(Drain)[-1] == (RECORDER, order)


def test_a_recorder_that_dies_while_it_stops_has_not_recorded_everything(running: Bench) -> None:
    order = drain(running)
    running.receive(Drained(EBAY))
    running.restart(RECORDER)
    assert (RECORDER, ActorRestarted(RECORDER)) not in running.directory.told
    assert (VINTED, ActorRestarted(RECORDER)) in running.directory.told
    assert (RECORDER, order) not in running.directory.told, "endings may still come"
    assert not running.drained.is_set()
    running.receive(Drained(VINTED))
    assert running.told(Drain)[-1] == (RECORDER, order)
    running.forget()
    running.restart(RECORDER, 2)
    assert running.told(Drain) == [(RECORDER, order)]
    running.receive(Drained(RECORDER))
    assert running.drained.is_set()


def test_what_running_jobs_need_is_restarted_while_they_end(running: Bench) -> None:
    drain(running)
    running.restart(HTTP)
    assert running.spawned == [(HTTP, 2)]
    assert HTTP not in [name for name, _ in running.told(Drain)]
