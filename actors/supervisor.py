"""SupervisorActor: keeps the other actors alive, and loads jobs for those that have room."""

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pykka

from actors.base_actor import BaseActor
from actors.children import Child
from runtime import messages
from runtime.errors import DatabaseUnavailable
from runtime.errors.safe_text import storable
from runtime.storage.nodes import membership
from runtime.storage.nodes.rescue import rescue_dead_nodes
from runtime.storage.queue import claims
from runtime.storage.server.engine import Database, database_errors
from runtime.waiting.urgency import DEFAULT_AGING

CHECK_INTERVAL = timedelta(milliseconds=500)
# Without it, actors with room would ask a database that is away again at once.
CLAIM_BACKOFF = timedelta(seconds=1)

Spawn = Callable[[int], pykka.ActorRef[Any]]
"""Starts an actor as the given incarnation and gives it its name."""


class SupervisorActor(BaseActor):
    """Watches over the actors of its node, and claims jobs for them; each node has one.

    Args:
        spawns: starts each child by its name, in the order in which they are to start.
        marketplaces: the names of the marketplaces whose actors are among the children.
        markers: the directory in which nodes leave a sign of the job whose code they run.
        poll_interval: the time that a lost announcement can cost.
        drained: is set when every run is ended or handed back, and recorded.
        aging: the time that a job waits until its urgency rises by one.
    """

    def __init__(
        self,
        *base: Any,
        spawns: Mapping[str, Spawn],
        marketplaces: tuple[str, ...],
        database: Database,
        node_id: int,
        markers: Path,
        poll_interval: timedelta,
        drained: threading.Event,
        aging: timedelta = DEFAULT_AGING,
    ) -> None:
        super().__init__(*base)
        self._children = {name: Child(name, spawn) for name, spawn in spawns.items()}
        self._marketplaces = {messages.marketplace_actor(name): name for name in marketplaces}
        self._database = database
        self._node_id = node_id
        self._markers = markers
        self._poll_interval = poll_interval
        self._drained = drained
        self._aging = aging
        self._down: dict[str, str] = {}
        # A former supervisor may have marked marketplaces down in the database. The first look
        # therefore writes even where nothing is down.
        self._down_shown = True
        self._drain: messages.Drain | None = None
        self._undrained: set[str] = set()

    def started(self) -> None:
        """Start the children, or take over those that a former supervisor started."""
        for child in self._children.values():
            running = self.directory.find(child.name)
            if running is not None:
                child.adopt(running.ref, running.incarnation)
                if child.name in self._marketplaces:
                    # The child may have asked the former supervisor for jobs, which got lost.
                    self.tell(child.name, messages.ActorRestarted(self.name))
            elif self.incarnation > 1 and child.name in self._marketplaces:
                self._hand_back_jobs(child)
            else:
                child.start()
        self._later(CHECK_INTERVAL, messages.CheckChildren())
        self._later(self._poll_interval, messages.Poll())
        self._find_lanes()

    def receive(self, message: Any) -> None:  # noqa: C901 - one line for each message
        """Handle one message."""
        match message:
            case messages.ClaimRequested():
                self._claim(message)
            case messages.JobsAnnounced(marketplace, shops):
                self._hand_on(marketplace, messages.LanesFound(shops))
            case messages.CancelRequested() | messages.PauseRequested():
                for name in self._marketplaces:
                    self.tell(name, message)
            case messages.SchedulesChanged():
                self.tell(messages.SCHEDULES, message)
            case messages.ClosuresChanged(marketplace):
                self._load_closures(marketplace)
            case messages.ListeningAgain():
                self._look()
            case messages.Poll():
                self._look()
                self._later(self._poll_interval, message)
            case messages.CheckChildren():
                self._check_children()
                self._later(CHECK_INTERVAL, message)
            case messages.ActorStarted(name, incarnation):
                self._child_started(name, incarnation)
            case messages.ActorFailed(name, incarnation, error):
                self._child_failed(name, incarnation, error)
            case messages.RestartDue(name, incarnation):
                self._restart(name, incarnation)
            case messages.JobsHandedBack(marketplace, count):
                self._jobs_handed_back(marketplace, count)
            case messages.Drain():
                self._begin_drain(message)
            case messages.Drained(name):
                self._child_drained(name)
            case messages.ActorStopped():
                pass
            case _:
                super().receive(message)

    def _look(self) -> None:
        """Find whatever no announcement told of, because announcements may get lost."""
        for marketplace in self._marketplaces.values():
            self._load_closures(marketplace)
        self._find_lanes()
        self._compare_running()

    # --- loading jobs ---------------------------------------------------------------------

    def _claim(self, request: messages.ClaimRequested) -> None:
        name = messages.marketplace_actor(request.marketplace)
        if self._drain is not None:
            return
        try:
            with self._database.transaction("claim") as session:
                claim = claims.claim_jobs(
                    session,
                    request.marketplace,
                    request.lanes,
                    request.limit,
                    self._node_id,
                    self._aging,
                )
        except DatabaseUnavailable as error:
            self.log.warning("database away, claims back off", reason=str(error))
            due = self.clock.now() + CLAIM_BACKOFF
            self.clock.call_at(due, name, messages.ClaimFailed(request.sequence))
            return
        self.tell(name, messages.JobsClaimed(request.sequence, claim.jobs, claim.waiting))

    def _find_lanes(self) -> None:
        if self._drain is not None:
            return
        try:
            for marketplace in self._marketplaces.values():
                with database_errors(), self._database.session() as session:
                    shops = claims.find_lanes(session, marketplace)
                if shops:
                    self._hand_on(marketplace, messages.LanesFound(shops))
        except DatabaseUnavailable as error:
            self.log.warning("database away, lanes cannot be found", reason=str(error))

    def _load_closures(self, marketplace: str) -> None:
        name = messages.marketplace_actor(marketplace)
        if name in self._marketplaces:
            self.tell(messages.RECORDER, messages.LoadClosures(name, marketplace))

    def _compare_running(self) -> None:
        """Show the actors what they run: a claim or a cancellation may have got lost."""
        try:
            with database_errors(), self._database.session() as session:
                running = membership.running_jobs(session, self._node_id)
        except DatabaseUnavailable as error:
            self.log.warning("database away, running jobs are not compared", reason=str(error))
            return
        for name, marketplace in self._marketplaces.items():
            jobs = tuple(job for job in running if job.marketplace == marketplace)
            self.tell(name, messages.RunningJobs(jobs))

    def _look_after_nodes(self) -> None:
        """Hand back the jobs of dead nodes, and show which marketplaces this one cannot serve."""
        try:
            if self._down or self._down_shown:
                # It is written at every look: a node that was taken for dead comes back without
                # its marks.
                with self._database.transaction("rescue") as session:
                    membership.mark_down(session, self._node_id, self._down)
                self._down_shown = bool(self._down)
            rescued = rescue_dead_nodes(self._database, self._node_id, self._markers)
        except DatabaseUnavailable as error:
            self.log.warning("database away, dead nodes cannot be found", reason=str(error))
            return
        for shops in rescued:
            for marketplace, found in shops.items():
                self.log.warning(
                    "rescued jobs of a dead node", marketplace=marketplace, count=len(found)
                )
                self._hand_on(marketplace, messages.LanesFound(tuple(found)))

    def _hand_on(self, marketplace: str, message: Any) -> None:
        name = messages.marketplace_actor(marketplace)
        if name in self._marketplaces:
            self.tell(name, message)

    # --- keeping children alive -----------------------------------------------------------

    def _check_children(self) -> None:
        for child in self._children.values():
            if child.died_silently():
                self._child_failed(child.name, child.incarnation, "it is gone")
            elif child.name in self._marketplaces:
                self._check_pulse(child)
        self._look_after_nodes()

    def _check_pulse(self, child: Child) -> None:
        entry = self.directory.find(child.name)
        if entry is None or child.failed_already or not child.watch.hangs(entry.pulse):
            return
        child.suspect = entry.pulse.job_id
        self.log.error(
            "actor hangs; another one takes its place", child=child.name, job=child.suspect
        )
        # The thread of the actor cannot be ended now; it stops when it wakes. Until then another
        # actor has its name, and its own messages are not sent any more.
        entry.ref.stop(block=False)
        self._child_failed(child.name, child.incarnation, "it hangs")

    def _child_started(self, name: str, incarnation: int) -> None:
        child = self._children.get(name)
        if child is None or child.incarnation != incarnation:
            return
        child.started(self.clock.now())
        self._down.pop(self._marketplaces.get(name, ""), None)
        if incarnation > 1:
            self.log.info("actor restarted", child=name, incarnation=incarnation)
            # These are the ones that wait for answers of other actors.
            for other in (*self._marketplaces, messages.BRIDGE):
                self.tell(other, messages.ActorRestarted(name))
        if name == messages.RECORDER:
            self._ask_again_to_hand_back()
        if self._drain is None:
            if name in self._marketplaces:
                # The new actor knows of no lanes yet.
                self._find_lanes()
        elif name in self._marketplaces:
            self.tell(name, self._drain)
        elif name == messages.RECORDER:
            self._drain_recorder_when_last()

    def _child_failed(self, name: str, incarnation: int, error: str) -> None:
        child = self._children.get(name)
        if child is None or child.incarnation != incarnation or child.failed_already:
            return
        delay = child.failed(self.clock.now())
        if child.down:
            self.log.error(
                "actor marked down", child=name, error=error, retry_seconds=delay.seconds
            )
            if name in self._marketplaces:
                self._down[self._marketplaces[name]] = storable(error)
        else:
            self.log.warning("actor failed", child=name, error=error)
        if self._drain is not None and name in self._marketplaces:
            # Its jobs are handed back when the node leaves; to start it again would run new ones.
            self._child_drained(name)
            return
        self._later(delay, messages.RestartDue(name, incarnation))

    def _restart(self, name: str, incarnation: int) -> None:
        child = self._children[name]
        if child.incarnation != incarnation or not child.failed_already:
            return
        if name in self._marketplaces:
            self._hand_back_jobs(child)
        else:
            child.start()

    def _hand_back_jobs(self, child: Child) -> None:
        """Hand back the jobs that a dead actor ran, before it starts again.

        The recorder does so, behind the endings that the actor sent. A handing back that overtook
        an ending would run a finished job again.
        """
        child.awaits_hand_back = True
        self._ask_to_hand_back(child)

    def _jobs_handed_back(self, marketplace: str, count: int) -> None:
        child = self._children[messages.marketplace_actor(marketplace)]
        if child.awaits_hand_back:
            child.awaits_hand_back = False
            child.suspect = None
            self.log.info("jobs handed back", child=child.name, count=count)
            child.start()

    def _ask_to_hand_back(self, child: Child) -> None:
        marketplace = self._marketplaces[child.name]
        self.tell(messages.RECORDER, messages.HandBackJobs(self.name, marketplace, child.suspect))

    def _ask_again_to_hand_back(self) -> None:
        # A recorder that began anew forgot the request, and the child would never start.
        for name in self._marketplaces:
            if self._children[name].awaits_hand_back:
                self._ask_to_hand_back(self._children[name])

    # --- stopping -------------------------------------------------------------------------

    def _begin_drain(self, drain: messages.Drain) -> None:
        self._drain = drain
        self._undrained = set(self._marketplaces)
        for name in self._marketplaces:
            # A dead actor runs nothing and will not answer. Its jobs are handed back when the
            # node leaves.
            if self._children[name].failed_already:
                self._undrained.discard(name)
            else:
                self.tell(name, drain)
        self._drain_recorder_when_last()

    def _child_drained(self, name: str) -> None:
        if name == messages.RECORDER:
            self._drained.set()
        elif name in self._undrained:
            self._undrained.discard(name)
            self._drain_recorder_when_last()

    def _drain_recorder_when_last(self) -> None:
        # Before that, a marketplace actor could still send it an ending.
        if not self._undrained and self._drain is not None:
            self.tell(messages.RECORDER, self._drain)

    def _later(self, delay: timedelta, message: Any) -> None:
        self.clock.call_at(self.clock.now() + delay, self.name, message)
