"""MarketplaceActor: the lanes and the running coroutines of one marketplace.

It does no I/O and never blocks: claims come from the supervisor, calls leave through the
bridge, the HTTP actor and the worker pool, endings go to the recorder.
"""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from actors.base import BaseActor
from actors.closed_lanes import ClosedLanes
from actors.dispatch import Dispatcher
from actors.interruptions import Interruptions
from actors.lane_run import LaneRun
from actors.lanes import Lane, Lanes, PendingClaim
from actors.worker_pool import WorkerPool
from runtime import messages
from runtime.errors import FenceLost
from runtime.handlers.registry import Registry
from runtime.marketplaces.record import Marketplace
from runtime.process.crash_marker import CrashMarker
from runtime.process.lease import Lease
from runtime.runs.calls import Failure
from runtime.runs.endings import (
    cannot_be_stored,
    cannot_go_on,
    looks_again,
    read_end,
    released,
)
from runtime.runs.execution import Cancelled, Effect, End
from runtime.runs.job import Job
from runtime.runs.job_states import JobEvent
from runtime.runs.settlement import Settlement
from runtime.waiting.urgency import DEFAULT_AGING

SLOW_STEP = timedelta(milliseconds=100)
CLAIM_LOST_AFTER = timedelta(seconds=10)
NOW = timedelta(0)


class MarketplaceActor(BaseActor):
    """Runs the jobs of one marketplace."""

    def __init__(
        self,
        *base: Any,
        marketplace: Marketplace,
        registry: Registry,
        workers: WorkerPool,
        lease: Lease,
        marker: CrashMarker,
        aging: timedelta = DEFAULT_AGING,
    ) -> None:
        super().__init__(*base)
        self._marketplace = marketplace
        self._registry = registry
        self._marker = marker
        self._lanes = Lanes(self.name, marketplace, self.clock, aging)
        self._runs: dict[int, LaneRun] = {}
        self._closed = ClosedLanes(self.name, marketplace.name, self._lanes, self.clock, self.tell)
        self._dispatcher = Dispatcher(
            self.name, marketplace, self.clock, workers, lease, self._closed.tell, self._run_of
        )
        self._interruptions = Interruptions(
            self.name, self.clock, self.log, self._runs,
            self._step, self._end, self._settle, self._dispatcher.withdraw,
        )  # fmt: skip
        self._claim: PendingClaim | None = None
        self._strays: set[tuple[int, int]] = set()
        self._sequence = 0
        self._draining = False

    def started(self) -> None:
        """Ask what is closed, who is connected, and what was used."""
        self._closed.ask()
        self._dispatcher.started()
        if self._marketplace.lanes.needs_seller:
            self.tell(messages.BRIDGE, messages.PresenceWanted(self.name))

    def receive(self, message: Any) -> None:  # noqa: C901 - one line for each message
        """Handle one message, then ask for jobs where there is room."""
        match message:
            case messages.CallSettled():
                self._call_settled(message)
            case messages.IntentRecorded(ticket, kept):
                self._intent_recorded(ticket, kept)
            case messages.JobsClaimed():
                self._jobs_claimed(message)
            case messages.SettlementRecorded():
                self._settlement_recorded(message)
            case messages.SettlementRefused():
                self._settlement_refused(message)
            case messages.LanesFound(shops):
                self._lanes.found(shops)
            case messages.LaneDue(key):
                self._lanes.fell_due(key)
            case messages.CallsReleased():
                self._dispatcher.pump()
            case messages.UsageLoaded():
                self._dispatcher.usage_loaded(message)
            case messages.SellerConnected(user_id):
                self._lanes.seller_connected(user_id)
            case messages.SellerDisconnected(user_id):
                self._lanes.seller_disconnected(user_id)
            case messages.ClaimFailed(sequence):
                self._claim_answered(sequence)
            case messages.RunningJobs(jobs):
                self._compare(jobs)
            case messages.CancelRequested(job_id):
                self._interruptions.cancel(job_id)
            case messages.PauseRequested(job_id):
                self._interruptions.pause(job_id)
            case messages.CancellationOverdue(job_id, fence):
                self._interruptions.overdue(job_id, fence)
            case messages.ClosuresLoaded(closures):
                self._dispatcher.closures_loaded(self._closed.load(closures))
            case messages.ClosureRecorded(entry):
                self._closed.recorded(entry)
            case messages.ClosureOver(node):
                self._closed.over(node)
            case messages.ActorRestarted(name):
                self._ask_again(name)
            case messages.Drain(deadline):
                self._drain(deadline)
            case messages.DrainDeadline():
                self._hand_back_running()
            case _:
                super().receive(message)
        self._ask_for_jobs()
        self._report_drained()

    # --- jobs come in ---------------------------------------------------------------------

    def _ask_for_jobs(self) -> None:
        if self._draining or not self._closed.loaded:
            return
        now = self.clock.now()
        if self._claim is not None and now - self._claim.sent_at < CLAIM_LOST_AFTER:
            return
        requests, limit = self._lanes.next_requests()
        if not requests:
            return
        self._sequence += 1
        self._claim = PendingClaim(self._sequence, now, limit)
        self.tell(
            messages.SUPERVISOR,
            messages.ClaimRequested(self._marketplace.name, self._sequence, requests, limit),
        )

    def _claim_answered(self, sequence: int) -> PendingClaim | None:
        claim = self._claim
        if claim is None or claim.sequence != sequence:
            return None
        self._claim = None
        return claim

    def _jobs_claimed(self, claimed: messages.JobsClaimed) -> None:
        claim = self._claim_answered(claimed.sequence)
        for job in claimed.jobs:
            # The database may hand a job out again before it is heard that the former run of
            # it was recorded; the place of that run must not be lost.
            former = self._runs.get(job.id)
            if former is not None and former.settlement is not None:
                self._forget(former)
            elif former is not None:
                self._drop(former, "the job was claimed again")
            self._lanes.add_ready(job)
        if claim is not None:
            # Of one that was given up, a later claim knows better.
            self._lanes.answered(claimed.left, claimed.jobs, claim.limit)
        if self._draining:
            self._hand_back_ready()
        else:
            self._start_ready()

    def _compare(self, jobs: Sequence[messages.RunningJob]) -> None:
        """Hand back what was claimed and never came; hear of cancellations that got lost.

        Jobs may be on their way here, or their endings to the database, so only those that are
        missed twice in a row count. They are handed back behind the endings.
        """
        known = {(run.job.id, run.job.fence) for run in self._runs.values()}
        known |= self._lanes.ready_runs()
        strays = {(job.job_id, job.fence) for job in jobs} - known
        for job_id, fence in strays & self._strays:
            self.log.warning("a claimed job never came; it is handed back", job=job_id, fence=fence)
            self._record(Settlement(job_id, fence, JobEvent.RELEASE))
        self._strays = strays
        for job in jobs:
            if job.cancel_requested:
                self._interruptions.cancel(job.job_id)
            elif job.pause_requested:
                self._interruptions.pause(job.job_id)

    def _start_ready(self) -> None:
        while (place := self._lanes.start_next()) is not None:
            lane, job = place
            run = self._runs[job.id] = self._new_run(job, lane)
            if job.cancel_requested:
                self._end(run, Cancelled())
            else:
                self.log.debug("job started", **job.log_context)
                self._step(run, run.execution.start)

    def _new_run(self, job: Job, lane: Lane) -> LaneRun:
        now = self.clock.now()
        return LaneRun.of(job, self._execute, now, lane=lane, due_at=now - job.waited)

    def _execute(self, job: Job) -> Any:
        return self._registry.handler_class(job.key)(job).execute(job)

    # --- runs go on -----------------------------------------------------------------------

    def _run_of(self, ticket: messages.CallTicket) -> LaneRun | None:
        run = self._runs.get(ticket.job_id)
        return run if run is not None and run.job.fence == ticket.fence else None

    def _call_settled(self, settled: messages.CallSettled) -> None:
        ticket, outcome = settled.ticket, settled.outcome
        run = self._run_of(ticket)
        if run is None:
            self._dispatcher.inquiry_settled(settled)
            return
        if not self._dispatcher.settled(run, ticket.call_id, outcome):
            return
        if isinstance(outcome, Failure) and isinstance(outcome.error, FenceLost):
            self._drop(run, str(outcome.error))
            return
        self._step(run, lambda: run.execution.deliver(ticket.call_id, outcome))

    def _intent_recorded(self, ticket: messages.CallTicket, kept: bool) -> None:
        run = self._run_of(ticket)
        if run is None:
            return
        if kept:
            self._dispatcher.intent_recorded(run, ticket.call_id)
        else:
            self._drop(run, "the job belongs to another run")

    def _step(self, run: LaneRun, advance: Callable[[], Sequence[Effect]]) -> None:
        """Advance the coroutine and carry out what it wants."""
        before = time.monotonic()
        self.pulse.job_id = run.job.id
        try:
            with self._marker.running(run.job.id):
                effects = advance()
                self._carry_out(run, effects)
        except Exception as error:
            # What a handler yields and raises may itself raise wherever it is looked at.
            self.log.exception("the run cannot go on", **run.job.log_context)
            run.execution.drop()
            self._end(run, cannot_go_on(error))
            return
        finally:
            self.pulse.job_id = None
            self._warn_if_slow(run.job, timedelta(seconds=time.monotonic() - before))
        if run.execution.ended is not None:
            self._end(run, run.execution.ended)
            return
        self._interruptions.stepped(run)

    def _carry_out(self, run: LaneRun, effects: Sequence[Effect]) -> None:
        withdrawn, wanted = run.sorted_out(effects)
        if withdrawn:
            self._dispatcher.withdraw(run, withdrawn)
        for effect in wanted:
            self._dispatcher.perform(run, effect)

    def _warn_if_slow(self, job: Job, held: timedelta) -> None:
        if held > SLOW_STEP:
            self.log.warning(
                "handler held the actor: move what takes long into self.run_blocking(...)",
                handler=job.key,
                held_ms=round(held.total_seconds() * 1000),
                **job.log_context,
            )

    def _ask_again(self, name: str) -> None:
        if name == messages.SUPERVISOR:
            self._claim = None
        if name == messages.RECORDER:
            self._closed.ask()
            self._dispatcher.started()
        for run in list(self._runs.values()):
            if name == messages.RECORDER and run.settlement is not None:
                self._record(run.settlement)
            else:
                self._dispatcher.ask_again(run, name)

    # --- runs end -------------------------------------------------------------------------

    def _end(self, run: LaneRun, end: End) -> None:
        settlement = self._settlement_of(run.job, end)
        if settlement.trouble is not None:
            self._dispatcher.troubled(run.job.shop.id, settlement.trouble)
        if settlement.awaits_seller:
            if self._marketplace.lanes.needs_seller:
                self._await_seller(run.job.user_id, settlement.delay)
            else:
                settlement = looks_again(settlement)
        self._settle(run, settlement)

    def _await_seller(self, user_id: int, delay: timedelta) -> None:
        """Leave the lane alone, at least so long while its seller does not come back."""
        self._lanes.seller_disconnected(user_id)
        # The seller may have come back before the run ended, or may never have left.
        wanted = messages.PresenceWanted(self.name, user_id)
        if delay:
            self.clock.call_at(self.clock.now() + delay, messages.BRIDGE, wanted)
        else:
            self.tell(messages.BRIDGE, wanted)

    def _settlement_of(self, job: Job, end: End) -> Settlement:
        return read_end(
            job,
            lambda: self._marketplace.settle(job, end, self.clock.now()),
            lambda _: self.log.exception("the end of a run cannot be read", **job.log_context),
        )

    def _settle(self, run: LaneRun, settlement: Settlement) -> None:
        self._dispatcher.withdraw_all(run)
        if run.overdue is not None:
            run.overdue.cancel()
        run.settlement = settlement
        self.log.info(
            "job ended",
            how=settlement.event.value,
            error=settlement.error,
            waiting_reason=settlement.waiting_reason,
            **run.job.log_context,
        )
        self._record(settlement)

    def _record(self, settlement: Settlement) -> None:
        self.tell(messages.RECORDER, messages.RecordSettlement(self.name, settlement))

    def _settlement_recorded(self, recorded: messages.SettlementRecorded) -> None:
        run = self._runs.get(recorded.job_id)
        if run is None or run.job.fence != recorded.fence:
            return
        if not recorded.kept:
            self.log.warning("the job belongs to another run", **run.job.log_context)
            self._forget(run)
        else:
            self._forget(run, run.back_in(self.clock.now()))

    def _settlement_refused(self, refused: messages.SettlementRefused) -> None:
        run = self._runs.get(refused.job_id)
        if run is None or run.job.fence != refused.fence:
            return
        if run.refused:
            self._drop(run, f"it cannot be settled: {refused.reason}")
            return
        run.refused = True
        self._end(run, cannot_be_stored(refused.reason))

    def _drop(self, run: LaneRun, reason: str) -> None:
        self.log.warning("run dropped", reason=reason, **run.job.log_context)
        run.execution.drop()
        self._dispatcher.withdraw_all(run)
        self._forget(run)

    def _forget(self, run: LaneRun, back_in: timedelta | None = NOW) -> None:
        """Give the place back; the job may wait again after that time (None: it does not)."""
        del self._runs[run.job.id]
        self._lanes.ended(run.lane, run.job.priority, back_in)
        self._start_ready()

    # --- draining -------------------------------------------------------------------------

    def _drain(self, deadline: Any) -> None:
        self._draining = True
        self._hand_back_ready()
        self.clock.call_at(deadline, self.name, messages.DrainDeadline())

    def _hand_back_ready(self) -> None:
        for lane, job in self._lanes.take_ready():
            run = self._runs[job.id] = self._new_run(job, lane)
            self._settle(run, released(job))

    def _hand_back_running(self) -> None:
        self._dispatcher.close()
        for run in [one for one in self._runs.values() if one.settlement is None]:
            # What it has under way is in the journal; the next run looks it up.
            run.execution.drop()
            self._settle(run, released(run.job))

    def _report_drained(self) -> None:
        if self._draining and not self._runs:
            self.tell(messages.SUPERVISOR, messages.Drained(self.name))
