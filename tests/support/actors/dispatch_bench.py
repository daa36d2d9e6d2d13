"""A dispatcher with nothing around it but time."""

import threading
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import make_url

from actors.directory import Directory
from actors.dispatch import Dispatcher
from actors.job_code import JobCode
from actors.lane_closures import LaneClosures
from actors.lane_run import LaneRun
from actors.lanes import Lane, Lanes
from actors.pulse import Pulse
from actors.worker_pool import WorkerPool
from runtime import messages
from runtime.marketplaces.record import Marketplace
from runtime.process.clock import ManualClock
from runtime.process.lease import Lease
from runtime.runs.calls import Call, HttpCall
from runtime.runs.execution import Execution, Perform
from runtime.runs.job import Job, Shop
from runtime.runs.step_notes import StepNotes
from runtime.storage.server.engine import Database
from runtime.waiting.urgency import DEFAULT_AGING
from tests.support.handlers.no_marker import NoMarker
from tests.support.handlers.no_media import NO_MEDIA

M = TypeVar("M")
SECOND = timedelta(seconds=1)
ACTOR = "marketplace:x"
READ = HttpCall("GET", "/x")
WRITE = HttpCall("POST", "/x")
UNREACHABLE = Database(make_url("postgresql+psycopg2://nobody@127.0.0.1:1/none"))


class RecordingDirectory(Directory):
    """Notes what is told to whom."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, Any]] = []
        self.arrived = threading.Semaphore(0)

    def tell(self, name: str, message: Any) -> None:
        """Note it."""
        self.told.append((name, message))
        self.arrived.release()


class Bench:
    """A dispatcher with nothing around it but time."""

    def __init__(self, **marketplace: Any) -> None:
        self.directory = RecordingDirectory()
        self.clock = ManualClock(self._fall_due)
        self.woken = 0
        self.pulse = Pulse()
        self.intended_for: list[int | None] = []
        self.runs: dict[int, LaneRun] = {}
        self.workers = WorkerPool(UNREACHABLE, self.directory, 1, NoMarker(), NO_MEDIA)
        self.lease = Lease(self.clock.now() + timedelta(hours=1))
        self.dispatcher = Dispatcher(
            ACTOR,
            Marketplace("x", **marketplace),
            self.clock,
            self.workers,
            self.lease,
            self._tell,
            self._closures().make_known,
            lambda ticket: self.runs.get(ticket.job_id),
            JobCode(self.pulse, NoMarker()),
        )

    def _closures(self) -> LaneClosures:
        record = Marketplace("x")
        lanes = Lanes(ACTOR, record, self.clock, DEFAULT_AGING)
        return LaneClosures(ACTOR, record.name, lanes, self.clock, self._tell)

    def _tell(self, name: str, message: Any) -> None:
        """The recorder writes every intent down at once; the others are noted."""
        if isinstance(message, messages.RecordIntent):
            self.intended_for.append(self.pulse.job_id)
            run = self.runs[message.ticket.job_id]
            self.dispatcher.intent_recorded(run, message.ticket.call_id)
        else:
            self.directory.tell(name, message)

    def perform(self, run: LaneRun, call_id: int, call: Call) -> None:
        """Perform a call; one that writes is a step."""
        step = f"step-{call_id}" if call.writes else None
        self.dispatcher.perform(run, Perform(call_id, call, step))

    def _fall_due(self, name: str, message: Any) -> None:
        if isinstance(message, messages.CallsReleased):
            self.woken += 1
            self.dispatcher.pace.pump()
        elif not isinstance(message, messages.ClosureOver):
            self.directory.tell(name, message)

    def run(
        self, number: int = 1, rate: timedelta = timedelta(0), action: str = "sync", shop: int = 2
    ) -> LaneRun:
        """A run of a job; those of one shop share its lane."""
        job = Job(
            id=number, fence=3, marketplace="x", action=action, user_id=7,
            shop=Shop(shop, str(shop)), priority=3, retry_count=0, max_retries=3,
            rate_limit=rate, timeout=30 * SECOND,
            created_at=self.clock.now(),
        )  # fmt: skip
        execution = Execution(lambda: None)  # type: ignore[arg-type,return-value]
        self.runs[number] = LaneRun(
            job,
            execution,
            StepNotes((), self.clock.now()),
            lane=Lane(shop),
            due_at=self.clock.now(),
        )
        return self.runs[number]

    def take(self, kind: type[M]) -> list[M]:
        """Return the messages of that kind since the last look."""
        taken = [one for _, one in self.directory.told if isinstance(one, kind)]
        self.directory.told = [x for x in self.directory.told if not isinstance(x[1], kind)]
        return taken

    def sent(self) -> list[tuple[int, int]]:
        """Job and call id of what has left since the last look."""
        requests = (messages.HttpRequest, messages.BrowserCommand)
        left = [
            (one.ticket.job_id, one.ticket.call_id)
            for _, one in self.directory.told
            if isinstance(one, requests)
        ]
        self.directory.told.clear()
        return left
