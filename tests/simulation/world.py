"""Three real marketplace actors on a virtual clock, and everything around them in memory."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import make_url

from actors.directory import Directory
from actors.marketplace import MarketplaceActor
from actors.worker_pool import WorkerPool
from runtime import Job, Shop, messages
from runtime.process.clock import ManualClock, Timer
from runtime.process.lease import Lease
from runtime.rate_limits.closures import Scope
from runtime.runs.calls import Outcome
from runtime.runs.job_states import JobStatus
from runtime.runs.settlement import Settlement
from runtime.storage.server.engine import Database
from runtime.waiting.urgency import DEFAULT_AGING, urgency
from tests.simulation import records
from tests.simulation.browsers import Browsers
from tests.simulation.job_table import PRIORITIES, JobTable, SimulatedJob
from tests.simulation.recorder import Records
from tests.simulation.servers import MarketplaceServer, ThrottledPeriod
from tests.support.handlers.no_marker import NoMarker
from tests.support.handlers.no_media import NO_MEDIA

CLAIM = timedelta(milliseconds=3)
NOTIFY = timedelta(milliseconds=2)
NOTICED = 2 * NOTIFY
POLL = timedelta(minutes=5)
WORLD = "world"
UNREACHABLE = Database(make_url("postgresql+psycopg2://nobody@127.0.0.1:1/none"))


@dataclass(slots=True)
class Start:
    """A job was claimed.

    Attributes:
        asked_at: when the claim was asked for; what fell due later it could not know of.
        urgency: of the job then.
    """

    row: SimulatedJob
    lane: int
    asked_at: datetime
    at: datetime
    urgency: int


@dataclass(slots=True)
class Log:
    """The events that happened, for the assertions at the end."""

    starts: dict[str, list[Start]] = field(default_factory=dict)
    starts_of: dict[int, list[datetime]] = field(default_factory=dict)
    ends: dict[int, list[tuple[datetime, Settlement]]] = field(default_factory=dict)
    double_runs: int = 0
    closed: list[tuple[datetime, Scope]] = field(default_factory=list)
    touched: dict[int, list[datetime]] = field(default_factory=dict)
    came: dict[int, list[datetime]] = field(default_factory=dict)
    arrived: dict[int, list[datetime]] = field(default_factory=dict)
    polls: list[datetime] = field(default_factory=list)
    unannounced: dict[int, datetime] = field(default_factory=dict)


class _Mail(Directory):
    """Puts what is told into one queue, in the order in which it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: deque[tuple[str, Any]] = deque()

    def tell(self, name: str, message: Any) -> None:
        self.queue.append((name, message))


class World:
    """The actors, and what they talk to.

    Args:
        seed: draws all that is random.
        throttled_periods: when each marketplace answers 429, by name.
    """

    def __init__(self, seed: int, throttled_periods: dict[str, list[ThrottledPeriod]]) -> None:
        self.draw = random.Random(seed)
        self.table = JobTable()
        self.log = Log()
        self.running: dict[int, SimulatedJob] = {}
        self.clock = ManualClock(self._deliver)
        self.shops: dict[str, dict[int, int]] = {name: {} for name in records.MARKETPLACES}
        self.recorder = Records(self.table, self.clock.now, self.later, self._tell, self._ended)
        self.browsers = Browsers(records.VINTED_RATE, random.Random(seed + 1), self._answer)
        self.servers = {
            name: MarketplaceServer(
                name, limits, records.GAPS[name], throttled_periods[name], random.Random(seed + 2)
            )
            for name, limits in (
                ("etsy", (records.ETSY_RATE, records.ETSY_QUOTA)),
                ("ebay", (records.EBAY_RATE, records.EBAY_QUOTA)),
            )
        }
        self.aging = DEFAULT_AGING
        self._mail = _Mail()
        self.actors: dict[str, MarketplaceActor] = {}
        self._latency = random.Random(seed + 3)

    def open(self) -> None:
        """Start the actors."""
        for name in records.MARKETPLACES:
            actor = self._actor(name)
            self.actors[actor.name] = actor
            actor.started()
        self._poll()
        self._run()

    def later(self, delay: timedelta, function: Callable[[], None]) -> Timer:
        """Call a function after a time."""
        return self.clock.call_at(self.clock.now() + delay, WORLD, function)

    def announce(self, row: SimulatedJob) -> None:
        """Notify of a job; one of fifty announcements is lost."""
        now = self.clock.now()
        self.log.arrived.setdefault(row.shop_id, []).append(now)
        if self.draw.random() < 0.02:
            self.log.unannounced[row.id] = now
            return
        name = messages.marketplace_actor(row.marketplace)

        def tell() -> None:
            due_in = row.run_at - self.clock.now()
            lane = messages.LaneShop(row.shop_id, row.user_id, row.priority, due_in)
            self._tell(name, messages.LanesFound((lane,)))

        self.later(NOTIFY, tell)

    def polled_after(self, when: datetime) -> datetime:
        """When the poll has come that finds what was not announced then."""
        return next((one for one in self.log.polls if one >= when), self.clock.now()) + NOTICED

    def tell_all(self, message: Any) -> None:
        """Tell every marketplace actor."""
        for name in self.actors:
            self._tell(name, message)

    def is_idle(self, shop_id: int) -> bool:
        """Whether nothing waits or runs for a shop."""
        waits = any(self.table.pending(shop_id, priority) for priority in PRIORITIES)
        return not waits and all(row.shop_id != shop_id for row in self.running.values())

    def closures_changed(self, marketplace: str) -> None:
        """Somebody wrote to the closures."""
        name = messages.marketplace_actor(marketplace)
        self.recorder.receive(messages.LoadClosures(name, marketplace))

    def connect(self, user_id: int) -> None:
        """A seller comes."""
        self.log.came.setdefault(user_id, []).append(self.clock.now())
        self.browsers.connected.add(user_id)
        self._tell(messages.marketplace_actor("vinted"), messages.SellerConnected(user_id))

    def disconnect(self, user_id: int) -> None:
        """A seller goes, once the browser has written what it is at."""
        busy = self.browsers.busy_until(user_id, self.clock.now())
        if busy is not None:
            self.clock.call_at(busy, WORLD, lambda: self.disconnect(user_id))
            return
        self.log.came.setdefault(user_id, []).append(self.clock.now())
        self.browsers.leave(user_id, self.clock.now())
        self._tell(messages.marketplace_actor("vinted"), messages.SellerDisconnected(user_id))

    def _actor(self, name: str) -> MarketplaceActor:
        return MarketplaceActor(
            messages.marketplace_actor(name),
            1,
            self._mail,
            self.clock,
            marketplace=records.MARKETPLACES[name],
            registry=records.REGISTRY,
            workers=WorkerPool(UNREACHABLE, self._mail, 1, NoMarker(), NO_MEDIA),
            lease=Lease(self.clock.now() + timedelta(days=2)),
            marker=NoMarker(),
            aging=self.aging,
        )

    # --- messages -------------------------------------------------------------------------

    def _tell(self, name: str, message: Any) -> None:
        self._mail.tell(name, message)

    def _deliver(self, name: str, message: Any) -> None:
        """A timer fell due: all that follows from it happens at its time."""
        self._mail.tell(name, message)
        self._run()

    def _run(self) -> None:
        queue = self._mail.queue
        while queue:
            name, message = queue.popleft()
            actor = self.actors.get(name)
            if actor is not None:
                actor.receive(message)
            elif name == WORLD:
                message()
            elif name == messages.RECORDER:
                if isinstance(message, messages.RecordClosure | messages.RecordOpening):
                    self.log.closed.append((self.clock.now(), message.key[0]))
                self.recorder.receive(message)
            else:
                self._receive(message)

    def _receive(self, message: Any) -> None:
        match message:
            case messages.ClaimRequested():
                asked_at = self.clock.now()
                self.later(CLAIM, lambda: self._claim(message, asked_at))
            case messages.HttpRequest():
                self._http(message)
            case messages.BrowserCommand(ticket):
                row = self.table.rows[ticket.job_id]
                self.browsers.request(row, message, self.clock.now())
            case messages.PresenceWanted(reply_to, user_id):
                self._presence(reply_to, user_id)

    def _presence(self, reply_to: str, user_id: int | None) -> None:
        connected = self.browsers.connected
        for user in sorted(connected if user_id is None else connected & {user_id}):
            self._tell(reply_to, messages.SellerConnected(user))

    def _http(self, request: messages.HttpRequest) -> None:
        now = self.clock.now()
        done = now + timedelta(seconds=self._latency.uniform(0.05, 0.4))
        server = self.servers[request.marketplace]
        if request.ticket.job_id == 0:
            self._answer(done, request.ticket, server.inquire(now))
            return
        row = self.table.rows[request.ticket.job_id]
        self._answer(done, request.ticket, server.arrive(row, request.call, now, done))

    def _answer(self, when: datetime, ticket: messages.CallTicket, outcome: Outcome) -> Timer:
        return self.clock.call_at(when, ticket.reply_to, messages.CallEnded(ticket, outcome))

    # --- the supervisor's part ------------------------------------------------------------

    def _poll(self) -> None:
        now = self.clock.now()
        self.log.polls.append(now)
        for name, shops in self.shops.items():
            actor = messages.marketplace_actor(name)
            self.closures_changed(name)
            found = self.table.find_lanes(shops, now)
            if found:
                self._tell(actor, messages.LanesFound(found))
            running = tuple(
                messages.RunningJob(
                    row.id, row.fence, name, row.cancel_requested, row.pause_requested
                )
                for row in self.running.values()
                if row.marketplace == name
            )
            self._tell(actor, messages.RunningJobs(running))
        self.later(POLL, self._poll)

    def _claim(self, request: messages.ClaimRequested, asked_at: datetime) -> None:
        now = self.clock.now()
        picked = self.table.pick(request.lanes, request.limit, now, self.aging)
        lane_of = {shop: lane.lane for lane in request.lanes for shop in lane.shop_ids}
        jobs = []
        urgencies = {row.id: urgency(row.priority, now - row.run_at, self.aging) for row in picked}
        for row in sorted(picked, key=lambda row: (urgencies[row.id], row.id)):
            self._note_start(row, lane_of[row.shop_id], asked_at, urgencies[row.id])
            jobs.append(self._start(row))
        waiting = self.table.waiting(request.lanes, now)
        name = messages.marketplace_actor(request.marketplace)
        self._tell(name, messages.JobsClaimed(request.sequence, tuple(jobs), waiting))

    def _note_start(self, row: SimulatedJob, lane: int, asked_at: datetime, at_level: int) -> None:
        now = self.clock.now()
        start = Start(row, lane, asked_at, now, at_level)
        self.log.starts.setdefault(row.marketplace, []).append(start)
        self.log.starts_of.setdefault(row.id, []).append(now)

    def _start(self, row: SimulatedJob) -> Job:
        now = self.clock.now()
        self.log.double_runs += row.id in self.running
        self.running[row.id] = row
        self.table.change(row, JobStatus.RUNNING)
        row.fence += 1
        row.reason = None
        row.started_at = row.started_at or now
        return Job(
            id=row.id, fence=row.fence, marketplace=row.marketplace, action=row.action,
            user_id=row.user_id, shop=Shop(row.shop_id, str(row.shop_id)), priority=row.priority,
            retry_count=row.retry_count, max_retries=5, rate_limit=records.GAPS[row.marketplace],
            timeout=timedelta(seconds=60), created_at=row.created_at, waited=now - row.run_at,
            input_data={"calls": row.calls}, cancel_requested=row.cancel_requested,
            journal=tuple(row.journal.values()) if row.fence > 1 else (),
        )  # fmt: skip

    def _ended(self, row: SimulatedJob, settlement: Settlement) -> None:
        self.running.pop(row.id, None)
        self.log.ends.setdefault(row.id, []).append((self.clock.now(), settlement))
