"""Runs one job in the calling thread, with a claim, a fence, a lease and a journal like a service.

It serves a process that wants a job to run and finds no service. It has no actors and no event
loop: the calls of the job leave one after the other.

    claim ──> coroutine ──effects──> calls that wait ──the oldest──> perform ──outcome──┐
                  ^                                                                     │
                  └─────────────────────────────── deliver <────────────────────────────┘
    at its end, its cancellation or its pause ──> settlement
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from runtime.errors import DatabaseRefused, FenceLost
from runtime.handlers.job_handler import execution_of
from runtime.handlers.registry import Registry
from runtime.inline.call_performer import CallPerformer
from runtime.inline.entry_writer import write_one
from runtime.inline.node import InlineNode, inline_node
from runtime.inline.pace import InlinePace
from runtime.messages import LaneRequest
from runtime.products.media import Media
from runtime.rate_limits.closures import Closures, Level, Scope
from runtime.runs.calls import RecordStep
from runtime.runs.endings import cannot_be_stored, cannot_go_on, handed_back, looks_again, read_end
from runtime.runs.execution import Cancelled, Effect, End, Failed
from runtime.runs.job import Job
from runtime.runs.run import OutstandingCall, Run
from runtime.runs.settlement import Settlement
from runtime.shops.authorized_transport import AuthorizedTransport
from runtime.storage.nodes import membership
from runtime.storage.queue import claims, closure_rows, settlements
from runtime.storage.server.engine import Database, database_errors
from runtime.waiting.urgency import DEFAULT_AGING

log = structlog.get_logger(__name__)


class InlineDriver:
    """Runs one job at a time.

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
        # They outlive the single job: the time between two calls does not begin anew with a job.
        self._paces: dict[str, InlinePace] = {}

    @property
    def registry(self) -> Registry:
        """The handlers that this driver can run."""
        return self._registry

    def run_next(self, marketplace: str, shop_ids: Sequence[int]) -> Job | None:
        """Claim the most urgent job of these shops that can run, and run it to a settlement.

        Returns:
            The job as it was claimed, or None if no job can run now.

        Raises:
            DatabaseUnavailable: the database stayed away; a job that was begun is rescued later.
        """
        pace = self._pace(marketplace)
        pace.refresh()
        with inline_node(self._database, self._markers) as node:
            job = self._claim(node, marketplace, shop_ids)
            if job is not None:
                _Drive(self, node, pace, job).run()
        return job

    def performer(
        self, run: Run[OutstandingCall], node: InlineNode, pace: InlinePace
    ) -> CallPerformer:
        """Return the performer of the calls of a run."""
        return CallPerformer(
            run.job, run.steps, node, self._database, self._transport, self._media, pace
        )

    def settle(self, settlement: Settlement) -> bool:
        """Write a settlement; returns False if the run has lost its job."""
        result = write_one(
            self._database,
            "settle",
            settlement.job_id,
            lambda session: settlements.settle_jobs(session, [settlement]),
        )
        return settlement.job_id in result.written

    def asked(self, node: InlineNode, job: Job) -> tuple[bool, bool]:
        """Return whether the running job is to be cancelled, and whether it is to be paused.

        Raises:
            FenceLost: the job belongs to another run.
        """
        with database_errors(), self._database.session() as session:
            running = membership.running_jobs(session, node.id)
        for one in running:
            if (one.job_id, one.fence) == (job.id, job.fence):
                return one.cancel_requested, one.pause_requested
        raise FenceLost(job.id, job.fence)

    def _pace(self, marketplace: str) -> InlinePace:
        if marketplace not in self._paces:
            described = self._registry.marketplaces[marketplace]
            self._paces[marketplace] = InlinePace(described, self._database)
        return self._paces[marketplace]

    def _claim(self, node: InlineNode, marketplace: str, shop_ids: Sequence[int]) -> Job | None:
        with self._database.transaction("claim") as session:
            closed = Closures(closure_rows.closures_of(session, [marketplace]))
            now = node.clock.now()
            # Closures are read in the claim's transaction, because no actor keeps them up to date
            # here; a job of a closed shop would be claimed only to wait.
            open_shops = tuple(one for one in shop_ids if _is_open(closed, marketplace, one, now))
            if not open_shops:
                return None
            # One lane of all shops: here the database alone decides which job comes first.
            lane = LaneRequest(0, open_shops, 1)
            claim = claims.claim_jobs(session, marketplace, [lane], 1, node.id, self._aging)
        return claim.jobs[0] if claim.jobs else None


class _Drive:
    """One run of one job, from its first call to its settlement."""

    def __init__(self, driver: InlineDriver, node: InlineNode, pace: InlinePace, job: Job) -> None:
        self._driver = driver
        self._node = node
        self._job = job
        self._run: Run[OutstandingCall] = Run.of(job, self._coroutine, node.clock.now())
        self._performer = driver.performer(self._run, node, pace)
        self._cancelled_at: datetime | None = None

    def run(self) -> None:
        """Drive the coroutine to its end, and write the settlement."""
        try:
            settlement = self._settlement(self._driven())
            if self._node.marker.has_stalled(self._job.id):
                settlement = replace(settlement, stalled=True)
            try:
                written = self._driver.settle(settlement)
            except DatabaseRefused as error:
                # A result that PostgreSQL refuses would be refused again, so the job fails with the
                # reason instead of staying running without a run.
                written = self._driver.settle(self._settlement(cannot_be_stored(error)))
        except FenceLost:
            written = False
        # A dropped coroutine is not closed: GeneratorExit would run the handler's ``finally``,
        # although the job belongs to another run by now.
        if not written:
            self._run.execution.drop()
            log.warning("the job belongs to another run", **self._job.log_context)

    def _coroutine(self, job: Job) -> Any:
        return execution_of(self._driver.registry.handler_class(job.key)(job))

    def _driven(self) -> End | None:
        """Drive the run; returns its end, or None if it is to be paused."""
        if self._job.cancel_requested:
            return Cancelled()
        run = self._run
        try:
            self._advance(run.execution.start)
            while run.execution.ended is None:
                if self._overdue():
                    run.execution.drop()
                    return Cancelled()
                # Nothing is outstanding and the run has not ended, so it is parked for a pause.
                if not run.calls:
                    break
                self._next(next(iter(run.calls.values())))
        except _Broken as broken:
            return broken.end
        if run.execution.ended is None:
            run.execution.drop()
        return run.execution.ended

    def _next(self, call: OutstandingCall) -> None:
        # An outcome that is to be recorded is recorded first, or a write that took effect would be
        # unknown to the next run.
        if not isinstance(call.call, RecordStep) and self._interrupted():
            return
        call.left = True
        outcome = self._performer.perform(call.effect)
        call_id = call.effect.call_id
        del self._run.calls[call_id]
        self._advance(lambda: self._run.execution.deliver(call_id, outcome))

    def _interrupted(self) -> bool:
        """Look whether the run is to stop; then its next call does not leave."""
        run = self._run
        # The database is asked before each call, because nobody here listens for announcements.
        cancel, pause = self._driver.asked(self._node, self._job)
        if cancel and not run.execution.cancelling:
            self._cancelled_at = self._node.clock.now()
            self._advance(run.cancel)
            return True
        if pause and not cancel:
            for call_id in run.pause():
                del run.calls[call_id]
            return True
        return False

    def _advance(self, advance: Callable[[], Sequence[Effect]]) -> None:
        """Advance the coroutine, and take over the effects that it yields."""
        run = self._run
        try:
            with self._node.marker.running(self._job.id):
                effects = advance()
        except Exception as error:
            # A value that a handler yields or raises may itself raise wherever it is looked at.
            log.exception("the run cannot go on", **self._job.log_context)
            run.execution.drop()
            raise _Broken(cannot_go_on(error)) from error
        withdrawn, wanted = run.sorted_out(effects)
        for call_id in withdrawn:
            run.calls.pop(call_id, None)
        for effect in wanted:
            run.calls[effect.call_id] = OutstandingCall(effect)

    def _overdue(self) -> bool:
        """Return whether a cancelled run has used up its time for ``finally``."""
        since = self._cancelled_at
        return since is not None and self._node.clock.now() > since + self._job.timeout

    def _settlement(self, end: End | None) -> Settlement:
        job = self._job
        if end is None:
            return handed_back(job)
        described = self._driver.registry.marketplaces[job.marketplace]
        settlement = read_end(
            job,
            lambda: described.settle(job, end, self._node.clock.now()),
            lambda _: log.exception("the end of a run cannot be read", **job.log_context),
        )
        return looks_again(settlement)


class _Broken(Exception):
    def __init__(self, end: Failed) -> None:
        super().__init__(str(end.error))
        self.end = end


def _is_open(closed: Closures, marketplace: str, shop_id: int, now: datetime) -> bool:
    scopes = (
        Scope(marketplace, Level.MARKETPLACE),
        Scope(marketplace, Level.APP_KEY),
        Scope(marketplace, Level.SHOP, shop_id),
    )
    return not any(closed.of(scopes, now))
