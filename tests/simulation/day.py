"""The events of the day: sellers come and go, jobs are created, the operator intervenes."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count

from runtime import messages
from runtime.rate_limits import Limit, Usage
from runtime.rate_limits.closures import Closure, ClosureKind, Level, Scope
from runtime.runs.job_states import JobStatus
from tests.simulation import records
from tests.simulation.job_table import SimulatedJob
from tests.simulation.predictions import Fortune
from tests.simulation.servers import ThrottledPeriod, Words
from tests.simulation.watching import PaceWatch
from tests.simulation.world import World

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
DAY = timedelta(hours=24) - timedelta(minutes=1)
"""A minute less: at midnight what is closed for long opens, and nothing waits for anything."""

SELLERS = 500
BIG, BIG_JOBS = 1, 100_000
BUSY, BUSY_JOBS = 500, 20_000
"""A seller on eBay whose backlog is never done either."""

SHOPS = {
    "vinted": range(1, SELLERS + 1),
    "etsy": range(1, 301),
    "ebay": range(201, SELLERS + 1),
}
FIRST_SHOP = {"vinted": 1_000, "etsy": 2_000, "ebay": 3_000}
PRIORITIES = [1] + [2] * 5 + [3] * 10 + [4] * 4
ACTIONS = ["sync"] * 5 + ["publish"] * 4 + ["report"]
JOBS_OF_A_SELLER = {"vinted": 9, "etsy": 5, "ebay": 6}


def throttled_periods(seed: int, start: datetime) -> dict[str, list[ThrottledPeriod]]:
    """When the marketplaces answer 429, whatever is asked."""
    draw = random.Random(seed + 4)

    def some(words: Words, times: int, minutes: float) -> Iterator[ThrottledPeriod]:
        for _ in range(times):
            begin = start + HOUR * draw.uniform(0.5, 23)
            yield ThrottledPeriod(begin, begin + minutes * MINUTE * draw.uniform(0.5, 1.5), words)

    return {
        "vinted": [],
        "etsy": [
            *some(Words.SECONDS, 5, 4), *some(Words.DATE, 5, 4), *some(Words.NOTHING, 3, 0.1)
        ],
        "ebay": [*some(Words.QUOTA, 4, 10), *some(Words.NOTHING, 4, 0.1)],
    }  # fmt: skip


class Day:
    """The world from midnight to midnight."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        start = World(seed, {"etsy": [], "ebay": []}).clock.now()
        self.start = start
        self.world = World(seed, throttled_periods(seed, start))
        self.rows = self.world.table.rows
        self.watch = PaceWatch(self.world.clock.now)
        self.few: list[SimulatedJob] = []
        self.many: list[SimulatedJob] = []
        self.fortune = Fortune(self.world, seed)
        self._ids = count(1)

    def prepare(self) -> None:
        """Plan the whole day."""
        for name, users in SHOPS.items():
            self.world.shops[name] = {FIRST_SHOP[name] + user: user for user in users}
        self._past("etsy", records.ETSY_QUOTA)
        self._past("ebay", records.EBAY_QUOTA)
        for user in SHOPS["vinted"]:
            self._sessions(user)
        for name, users in SHOPS.items():
            for user in users:
                for _ in range(JOBS_OF_A_SELLER[name]):
                    self._at(self.draw.uniform(0, 23), lambda n=name, u=user: self._job(n, u))
        self._bursts()
        self._at(0.2, lambda: self._backlog("etsy", BIG, BIG_JOBS))
        self._at(0.2, lambda: self._backlog("ebay", BUSY, BUSY_JOBS))
        self._operator()
        for _ in range(150):
            self._at(self.draw.uniform(0.3, 23), self._ask)

    def _ask(self) -> None:
        """Explain some jobs, some of them of the great backlogs."""
        self.fortune.ask(self.few + self.draw.sample(self.many, min(20, len(self.many))))

    def run(self) -> None:
        """Let the day pass."""
        self.world.open()
        self.world.clock.advance(DAY)

    def _at(self, hours: float, function: object) -> None:
        self.world.clock.call_at(self.start + HOUR * hours, "world", function)

    # --- jobs -----------------------------------------------------------------------------

    def _job(self, name: str, user: int, priority: int | None = None) -> SimulatedJob:
        now = self.world.clock.now()
        action = self.draw.choice(ACTIONS)
        delay = MINUTE * self.draw.uniform(1, 120) if self.draw.random() < 0.1 else timedelta(0)
        row = SimulatedJob(
            id=next(self._ids), marketplace=name, action=action, user_id=user,
            shop_id=FIRST_SHOP[name] + user, priority=priority or self.draw.choice(PRIORITIES),
            run_at=now + delay, created_at=now,
            product_key=f"p:{self.draw.randint(1, 5)}" if action == "publish" else None,
            calls=self.draw.randint(1, 5), ready_in=MINUTE * self.draw.uniform(0, 30),
        )  # fmt: skip
        row.alone = self.world.is_idle(row.shop_id)
        self.world.table.add(row)
        self.few.append(row)
        self.world.announce(row)
        return row

    def _backlog(self, name: str, user: int, jobs: int) -> None:
        now = self.world.clock.now()
        for _ in range(jobs):
            row = SimulatedJob(
                id=next(self._ids), marketplace=name, action="sync", user_id=user,
                shop_id=FIRST_SHOP[name] + user, priority=3, run_at=now, created_at=now, calls=3,
                backlog=True,
            )  # fmt: skip
            self.world.table.add(row)
            self.many.append(row)
        self.world.announce(row)

    def _bursts(self) -> None:
        for name, users in SHOPS.items():
            for _ in range(2):
                # Everybody at once.
                hours = self.draw.uniform(2, 20)
                for user in self.draw.sample(list(users), 100):
                    self._at(hours, lambda n=name, u=user: self._job(n, u))
            for _ in range(5):
                # One seller with many.
                user, hours = self.draw.choice(list(users)), self.draw.uniform(2, 20)
                for _ in range(40):
                    self._at(hours, lambda n=name, u=user: self._job(n, u))

    # --- sellers --------------------------------------------------------------------------

    def _sessions(self, user: int) -> None:
        hours = self.draw.uniform(0, 6)
        while hours < 23:
            stays = self.draw.uniform(0.1, 2)
            self._at(hours, lambda: self.world.connect(user))
            self._at(hours + stays, lambda: self.world.disconnect(user))
            hours += stays + self.draw.choice([0.02, 1, 4, 7])

    # --- the operator ---------------------------------------------------------------------

    def _operator(self) -> None:
        for name, users in SHOPS.items():
            hours = self.draw.uniform(3, 20)
            scope = Scope(name, Level.MARKETPLACE)
            self._at(hours, lambda scope=scope: self._close(scope, None))
            self._at(hours + 0.25, lambda scope=scope: self._open(scope))
            for user in self.draw.sample(list(users), 20):
                hours = self.draw.uniform(1, 20)
                scope = Scope(name, Level.SHOP, FIRST_SHOP[name] + user)
                until = self.start + HOUR * (hours + self.draw.uniform(0.2, 2))
                ends = self.draw.random() < 0.5
                self._at(hours, lambda n=scope, u=until if ends else None: self._close(n, u))
                if not ends:
                    self._at(hours + 1, lambda scope=scope: self._open(scope))
        for minutes in range(5, 23 * 60, 7):
            self._at(minutes / 60, self._look_after_shops)
            self._at(minutes / 60, self._interrupt)

    def _close(self, scope: Scope, until: datetime | None) -> None:
        now = self.world.clock.now()
        closure = Closure(scope, ClosureKind.PAUSED, "paused by an operator", now, until)
        self.world.log.closed.append((now, scope))
        self.world.recorder.closures[closure.key] = closure
        self.world.closures_changed(scope.marketplace)

    def _open(self, scope: Scope) -> None:
        for key in [key for key in self.world.recorder.closures if key[0] == scope]:
            del self.world.recorder.closures[key]
            self.world.log.closed.append((self.world.clock.now(), scope))
        self.world.closures_changed(scope.marketplace)

    def _look_after_shops(self) -> None:
        """Resume shops that have needed a person for a while."""
        now = self.world.clock.now()
        for (scope, kind), closure in list(self.world.recorder.closures.items()):
            if kind is ClosureKind.NEEDS_USER and now - closure.since > 20 * MINUTE:
                self._open(scope)

    def _interrupt(self) -> None:
        """Pause, cancel and resume some jobs."""
        waiting = [row for row in self.few if row.status is JobStatus.PENDING]
        for row in self.draw.sample(waiting, min(2, len(waiting))):
            self._pause_or_cancel(row)
        running = sorted(self.world.running.values(), key=lambda row: row.id)
        if running:
            self._pause_or_cancel(self.draw.choice(running))

    def _pause_or_cancel(self, row: SimulatedJob) -> None:
        pause = self.draw.random() < 0.6
        self.world.log.touched.setdefault(row.id, []).append(self.world.clock.now())
        if row.status is JobStatus.RUNNING:
            row.pause_requested, row.cancel_requested = pause, row.cancel_requested or not pause
            kind = messages.PauseRequested if pause else messages.CancelRequested
            self.world.tell_all(kind(row.id))
        elif row.status is JobStatus.PENDING:
            status = JobStatus.PAUSED if pause else JobStatus.CANCELLED
            self.world.table.change(row, status)
        if pause:
            self.world.later(MINUTE * self.draw.uniform(5, 60), lambda: self._resume(row))

    def _resume(self, row: SimulatedJob) -> None:
        row.pause_requested = False
        self.world.log.touched.setdefault(row.id, []).append(self.world.clock.now())
        if row.status is JobStatus.PAUSED:
            self.world.table.change(row, JobStatus.PENDING)
            self.world.announce(row)

    # --- the day before -------------------------------------------------------------------

    def _past(self, name: str, quota: Limit) -> None:
        """The quota was used evenly in the day before, by a process that is over."""
        counter = self.world.servers[name].counters[-1]
        counter.arrivals.extend(
            self.start - quota.per + quota.per * (n / quota.count) for n in range(quota.count)
        )
        scope, width = Scope(name, Level.APP_KEY), quota.per / 240
        for when in counter.arrivals:
            bucket = self.start - quota.per + (when - self.start + quota.per) // width * width
            key = scope, quota.per, bucket
            former = self.world.recorder.usage.get(key)
            used = (former.count if former is not None else 0) + 1
            self.world.recorder.usage[key] = Usage(scope, quota.per, bucket, used)
