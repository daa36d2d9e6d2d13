"""Runs one job in the calling thread: claimed, fenced, leased and journaled like any other.

For a process that wants a job run and finds no service that does. No actors, no event loop.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from runtime.errors import DatabaseRefused, FenceLost, HandlerError, JobFailed
from runtime.handlers.registry import Registry
from runtime.inline.calls import InlineCalls
from runtime.inline.node import InlineNode, inline_node
from runtime.inline.pace import InlinePace
from runtime.inline.records import write_one
from runtime.messages import LaneRequest
from runtime.products.media import Media
from runtime.rate_limits.closures import Closures, Level, Scope
from runtime.runs.calls import RecordStep
from runtime.runs.execution import Cancelled, Effect, End, Execution, Failed, Perform, Withdraw
from runtime.runs.job import Job
from runtime.runs.job_states import JobEvent
from runtime.runs.settlement import Settlement, settlement_of
from runtime.shops.authorized_transport import AuthorizedTransport
from runtime.storage.nodes import membership
from runtime.storage.queue import claims, closure_rows, settlements
from runtime.storage.server.engine import Database, database_errors
from runtime.waiting.urgency import DEFAULT_AGING

# Nobody tells this process when the seller comes back.
SELLER_DELAY = timedelta(seconds=30)

log = structlog.get_logger(__name__)


class InlineDriver:
    """Runs jobs, one at a time.

    Args:
        markers: the directory of crash markers.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        transport: AuthorizedTransport,
        media: Media,
        markers: Path,
        aging: timedelta = DEFAULT_AGING,
    ) -> None:
        self._database = database
        self._registry = registry
        self._transport = transport
        self._media = media
        self._markers = markers
        self._aging = aging
        self._paces: dict[str, InlinePace] = {}

    @property
    def registry(self) -> Registry:
        """The handlers that it can run."""
        return self._registry

    def run_next(self, marketplace: str, shop_ids: Sequence[int]) -> Job | None:
        """Claim the most urgent job of these shops that can run, and run it to a settlement.

        Returns:
            The job as it was claimed; None where none can run now.

        Raises:
            DatabaseUnavailable: it stayed away; a job that was begun is rescued.
        """
        pace = self._pace(marketplace)
        pace.refresh()
        with inline_node(self._database, self._markers) as node:
            job = self._claim(node, marketplace, shop_ids)
            if job is not None:
                _Run(self, node, pace, job).run()
        return job

    def calls(self, job: Job, node: InlineNode, pace: InlinePace) -> InlineCalls:
        """What carries the calls of a run out."""
        return InlineCalls(job, node, self._database, self._transport, self._media, pace)

    def settle(self, settlement: Settlement) -> bool:
        """Write a settlement; False where the run has lost its job."""
        written = write_one(
            self._database,
            "settle",
            settlement.job_id,
            lambda session: settlements.settle_jobs(session, [settlement]),
        )
        return settlement.job_id in written.kept

    def asked(self, node: InlineNode, job: Job) -> tuple[bool, bool]:
        """Whether the running job is to be cancelled, and to be paused.

        Raises:
            FenceLost: it belongs to another run.
        """
        with database_errors(), self._database.session() as session:
            running = membership.running_jobs(session, node.id)
        for one in running:
            if (one.job_id, one.fence) == (job.id, job.fence):
                return one.cancel_requested, one.pause_requested
        raise FenceLost(f"job {job.id} is not owned under fence {job.fence} any more")

    def _pace(self, marketplace: str) -> InlinePace:
        if marketplace not in self._paces:
            described = self._registry.marketplaces[marketplace]
            self._paces[marketplace] = InlinePace(described, self._database)
        return self._paces[marketplace]

    def _claim(self, node: InlineNode, marketplace: str, shop_ids: Sequence[int]) -> Job | None:
        with self._database.transaction("claim") as session:
            closed = Closures(closure_rows.closures_of(session, [marketplace]))
            now = node.clock.now()
            open_shops = tuple(one for one in shop_ids if _is_open(closed, marketplace, one, now))
            if not open_shops:
                return None
            lane = LaneRequest(0, open_shops, 1)
            claim = claims.claim_jobs(session, marketplace, [lane], 1, node.id, self._aging)
        return claim.jobs[0] if claim.jobs else None


class _Run:
    """One run of one job."""

    def __init__(self, driver: InlineDriver, node: InlineNode, pace: InlinePace, job: Job) -> None:
        self._driver = driver
        self._node = node
        self._job = job
        self._calls = driver.calls(job, node, pace)
        self._execution = Execution(self._coroutine, job.journal)
        self._waiting: deque[Perform] = deque()
        self._pausing = False
        self._cancelled_at: datetime | None = None

    def run(self) -> None:
        """Drive the coroutine to its end, and write that down."""
        try:
            settlement = self._settlement(self._driven())
            try:
                kept = self._driver.settle(settlement)
            except DatabaseRefused as error:
                failed = Failed(JobFailed(f"the result cannot be stored: {error}"))
                kept = self._driver.settle(self._settlement(failed))
        except FenceLost:
            kept = False
        if not kept:
            self._execution.drop()
            log.warning("the job belongs to another run", **self._job.log_context)

    def _coroutine(self) -> Any:
        handler = self._driver.registry.handler_class(self._job.key)
        return handler(self._job).execute(self._job)

    def _driven(self) -> End | None:
        """How the run ended; None where it is to be paused."""
        if self._job.cancel_requested:
            return Cancelled()
        try:
            self._step(self._execution.start)
            while self._execution.ended is None:
                if self._overdue():
                    self._execution.drop()
                    return Cancelled()
                if not self._waiting:
                    break
                self._next()
        except FenceLost:
            raise
        except _Broken as broken:
            return Failed(broken.error)
        if self._execution.ended is None:
            self._execution.drop()
        return self._execution.ended

    def _next(self) -> None:
        effect = self._waiting.popleft()
        if not isinstance(effect.call, RecordStep):
            if self._pausing:
                return
            if self._interrupted(effect):
                return
        outcome = self._calls.perform(effect)
        self._step(lambda: self._execution.deliver(effect.call_id, outcome))

    def _interrupted(self, effect: Perform) -> bool:
        """Look whether the run is to stop; then the call does not leave."""
        cancel, pause = self._driver.asked(self._node, self._job)
        if cancel and not self._execution.cancelling:
            self._waiting.appendleft(effect)
            self._cancelled_at = self._node.clock.now()
            self._step(self._execution.cancel)
            return True
        self._pausing = pause and not cancel
        return self._pausing

    def _step(self, advance: Any) -> None:
        """Advance the coroutine; take in what it wants."""
        try:
            with self._node.marker.running(self._job.id):
                effects: Sequence[Effect] = advance()
        except Exception as error:
            # What a handler yields and raises may itself raise wherever it is looked at.
            log.exception("the run cannot go on", **self._job.log_context)
            self._execution.drop()
            wrong = HandlerError(f"the run cannot go on: {type(error).__name__}")
            raise _Broken(wrong) from error
        gone = {one.call_id for one in effects if isinstance(one, Withdraw)}
        self._waiting = deque(one for one in self._waiting if one.call_id not in gone)
        self._waiting.extend(one for one in effects if isinstance(one, Perform))

    def _overdue(self) -> bool:
        """Whether a cancelled run has had its time for ``finally``."""
        since = self._cancelled_at
        return since is not None and self._node.clock.now() > since + self._job.timeout

    def _settlement(self, end: End | None) -> Settlement:
        job = self._job
        if end is None:
            # The database makes it paused, unless the request was withdrawn meanwhile.
            return Settlement(job.id, job.fence, JobEvent.RELEASE)
        described = self._driver.registry.marketplaces[job.marketplace]
        try:
            settlement = settlement_of(
                job, end, self._node.clock.now(),
                browser_bound=described.browser_bound, words=described.account_words,
            )  # fmt: skip
        except Exception as error:
            log.exception("the end of a run cannot be read", **job.log_context)
            told = f"the handler's {type(error).__name__} cannot be read"
            return Settlement(job.id, job.fence, JobEvent.FAIL, error=told)
        if settlement.awaits_seller:
            return replace(settlement, delay=SELLER_DELAY, keeps_place=False)
        return settlement


class _Broken(Exception):
    def __init__(self, error: HandlerError) -> None:
        super().__init__(str(error))
        self.error = error


def _is_open(closed: Closures, marketplace: str, shop_id: int, now: datetime) -> bool:
    scopes = (
        Scope(marketplace, Level.MARKETPLACE),
        Scope(marketplace, Level.APP_KEY),
        Scope(marketplace, Level.SHOP, shop_id),
    )
    return not any(closed.of(scopes, now))
