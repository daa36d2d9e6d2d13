"""MarketplaceActor: the lanes and the running coroutines of one marketplace.

It does no I/O and never blocks: claims come from the supervisor, calls leave through the
bridge, the HTTP actor and the worker pool, endings go to the recorder. Here messages are handed to
the part that they concern; :class:`Claims` asks for jobs, :class:`Runs` runs them.
"""

from datetime import datetime, timedelta
from typing import Any

from actors.base_actor import BaseActor
from actors.claims import Claims
from actors.dispatch import Dispatcher
from actors.job_code import JobCode
from actors.lane_closures import LaneClosures
from actors.lane_run import LaneRun
from actors.lanes import Lanes
from actors.runs import Runs
from actors.worker_pool import WorkerPool
from runtime import messages
from runtime.handlers.registry import Registry
from runtime.marketplaces.record import Marketplace
from runtime.messages import RunningJobs
from runtime.process.crash_marker import CrashMarker
from runtime.process.lease import Lease
from runtime.runs.job_states import JobEvent
from runtime.runs.settlement import Settlement
from runtime.waiting.urgency import DEFAULT_AGING


class MarketplaceActor(BaseActor):
    """Runs the jobs of one marketplace; it only hands each message to the part it concerns."""

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
        self._needs_sellers = marketplace.lanes.needs_seller
        self._lanes = Lanes(self.name, marketplace, self.clock, aging)
        self._claims = Claims(self, marketplace.name, self._lanes)
        self._closures = LaneClosures(
            self.name, marketplace.name, self._lanes, self.clock, self.tell
        )
        code = JobCode(self.pulse, marker)
        dispatcher = Dispatcher(
            self.name, marketplace, self.clock, workers, lease, self.tell,
            self._closures.make_known, self._run_of, code,
        )  # fmt: skip
        self._pace = dispatcher.pace
        self._runs = Runs(self, marketplace, registry, self._lanes, dispatcher, code)
        self._draining = False

    def started(self) -> None:
        """Ask for the closures, the usage of the limits, and the connected sellers."""
        self._closures.ask()
        self._pace.started()
        if self._needs_sellers:
            self.tell(messages.BRIDGE, messages.PresenceWanted(self.name))

    def receive(self, message: Any) -> None:  # noqa: C901 - one line for each message
        """Handle one message, then ask for jobs where there is room."""
        match message:
            case messages.CallEnded():
                self._runs.call_ended(message)
            case messages.IntentRecorded(ticket, written):
                self._runs.intent_recorded(ticket, written)
            case messages.JobsClaimed():
                self._jobs_claimed(message)
            case messages.SettlementRecorded():
                self._runs.settlement_recorded(message)
            case messages.SettlementInvalid():
                self._runs.settlement_invalid(message)
            case messages.LanesFound(shops):
                self._lanes.found(shops)
            case messages.LaneDue(key):
                self._lanes.fell_due(key)
            case messages.CallsReleased():
                self._pace.pump()
            case messages.UsageLoaded():
                self._pace.usage_loaded(message)
            case messages.SellerConnected(user_id):
                self._lanes.seller_connected(user_id)
            case messages.SellerDisconnected(user_id):
                self._lanes.seller_disconnected(user_id)
            case messages.ClaimFailed(sequence):
                self._claims.answered(sequence)
            case messages.RunningJobs():
                self._compare(message)
            case messages.CancelRequested(job_id):
                self._runs.cancel(job_id)
            case messages.PauseRequested(job_id):
                self._runs.pause(job_id)
            case messages.CancellationOverdue(job_id, fence):
                self._runs.overdue(job_id, fence)
            case messages.ClosuresLoaded(closures):
                self._pace.closures_loaded(self._closures.load(closures))
            case messages.ClosureRecorded(entry):
                self._closures.recorded(entry)
            case messages.ClosureOver(scope):
                self._closures.over(scope)
            case messages.ActorRestarted(name):
                self._ask_again(name)
            case messages.Drain(deadline):
                self._drain(deadline)
            case messages.DrainDeadline():
                self._runs.hand_back_running()
            case _:
                super().receive(message)
        # Any message may have made room or brought work, so that no list of such messages has to be
        # kept.
        self._ask_for_jobs()
        self._report_drained()

    def _ask_for_jobs(self) -> None:
        # Nothing is claimed before the closures are known: a restart must forget no pause.
        if not self._draining and self._closures.loaded:
            self._claims.ask()

    def _jobs_claimed(self, claimed: messages.JobsClaimed) -> None:
        claim = self._claims.answered(claimed.sequence)
        for job in claimed.jobs:
            self._runs.claimed_again(job.id)
            self._lanes.add_ready(job)
        if claim is not None:
            # If the claim was given up, a later claim has newer news of these lanes. Its jobs
            # count all the same, because they are claimed in the database.
            self._lanes.answered(claimed.waiting, claimed.jobs, claim.limit)
        if self._draining:
            self._runs.hand_back_ready()
        else:
            self._runs.start_ready()

    def _compare(self, running: RunningJobs) -> None:
        """Hand back claimed jobs that never came, and interrupt runs whose interruption got lost.

        Every message may get lost, so the database is compared at every poll.
        """
        known = self._runs.known() | self._lanes.ready_runs()
        for job_id, fence in self._claims.strays(running.jobs, known):
            self.log.warning("a claimed job never came; it is handed back", job=job_id, fence=fence)
            # The recorder hands the job back, behind the endings that are on their way to it: an
            # ending that was overtaken would have its job run again.
            self._runs.record(Settlement(job_id, fence, JobEvent.HAND_BACK))
        for job in running.jobs:
            if job.cancel_requested:
                self._runs.cancel(job.job_id)
            elif job.pause_requested:
                self._runs.pause(job.job_id)

    def _run_of(self, ticket: messages.CallTicket) -> LaneRun | None:
        return self._runs.of(ticket)

    def _ask_again(self, name: str) -> None:
        if name == messages.SUPERVISOR:
            self._claims.forgotten()
        if name == messages.RECORDER:
            self._closures.ask()
            self._pace.started()
        self._runs.ask_again(name)

    def _drain(self, deadline: datetime) -> None:
        self._draining = True
        self._runs.hand_back_ready()
        self.clock.call_at(deadline, self.name, messages.DrainDeadline())

    def _report_drained(self) -> None:
        if self._draining and not len(self._runs):
            self.tell(messages.SUPERVISOR, messages.Drained(self.name))
