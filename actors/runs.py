"""The runs of one marketplace: from the first call of each to the record of its end.

The way of a cancellation and of a pause can be read here from top to bottom: it interrupts the
run (:meth:`Runs.cancel`, :meth:`Runs.pause`), the coroutine goes on until nothing is under way
that has to be answered (:meth:`Runs._advance`), and the run ends (:meth:`Runs._end`) or is left
where it stands (:meth:`Runs._settle`). :class:`runtime.runs.run.Run` decides which calls are
waited for::

    start_ready ─► _advance ◄─────────── call_ended
                     │ the coroutine ended
                     ▼
                   _end ─► _settle ─► recorder ─┬─ recorded ─► _forget: the place is free
                     ▲                          └─ refused, the first time
                     └──────────────────────────────┘
    the fence does not match any more ─► _drop: nothing is written
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from actors.base_actor import BaseActor
from actors.dispatch import Dispatcher
from actors.job_code import JobCode
from actors.lane_run import LaneRun
from actors.lanes import Lane, Lanes
from runtime import messages
from runtime.errors import FenceLost
from runtime.handlers.job_handler import execution_of
from runtime.handlers.registry import Registry
from runtime.marketplaces.record import Marketplace
from runtime.messages import CallEnded, CallTicket, CancellationOverdue
from runtime.runs.calls import Failure
from runtime.runs.endings import cannot_be_stored, cannot_go_on, handed_back, looks_again, read_end
from runtime.runs.execution import Cancelled, Effect, End
from runtime.runs.job import Job
from runtime.runs.settlement import Settlement

# All runs of a marketplace share one thread, so a handler that computes holds up the others.
SLOW_ADVANCE = timedelta(milliseconds=100)
NOW = timedelta(0)


class Runs:
    """Steps the coroutines of running jobs, and ends them.

    Args:
        actor: the marketplace actor, in whose thread all of this happens.
        code: shows for which job the actor works.
    """

    def __init__(
        self,
        actor: BaseActor,
        marketplace: Marketplace,
        registry: Registry,
        lanes: Lanes,
        dispatcher: Dispatcher,
        code: JobCode,
    ) -> None:
        self._actor = actor
        self._marketplace = marketplace
        self._registry = registry
        self._lanes = lanes
        self._dispatcher = dispatcher
        self._code = code
        self._runs: dict[int, LaneRun] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def of(self, ticket: CallTicket) -> LaneRun | None:
        """Return the run that a ticket belongs to, or None if the run is over."""
        return self._under(ticket.job_id, ticket.fence)

    def known(self) -> set[tuple[int, int]]:
        """Return the (job, fence) of every run whose end is not recorded."""
        return {(run.job.id, run.job.fence) for run in self._runs.values()}

    # --- runs begin -----------------------------------------------------------------------

    def start_ready(self) -> None:
        """Start the jobs that were claimed, where their lanes have places."""
        while (place := self._lanes.start_next()) is not None:
            lane, job = place
            run = self._new_run(job, lane)
            # The cancellation came between the claim and the start, so nothing is thrown in.
            if job.cancel_requested:
                self._end(run, Cancelled())
            else:
                self._actor.log.debug("job started", **job.log_context)
                self._advance(run, run.execution.start)

    def claimed_again(self, job_id: int) -> None:
        """Give up a former run of a job that was claimed again, because it does not count any more.

        The claim may be heard before the acknowledgement of the former run's end. That run still
        has a place here, which must not be lost.
        """
        former = self._runs.get(job_id)
        if former is not None and former.settlement is not None:
            self._forget(former)
        elif former is not None:
            self._drop(former, "the job was claimed again")

    def _new_run(self, job: Job, lane: Lane) -> LaneRun:
        now = self._actor.clock.now()
        run = LaneRun.of(job, self._execute, now, lane=lane, due_at=now - job.waited)
        self._runs[job.id] = run
        return run

    def _execute(self, job: Job) -> Any:
        # Each run has a handler of its own, so that a former run leaves it nothing in its
        # attributes.
        return execution_of(self._registry.handler_class(job.key)(job))

    # --- runs are interrupted -------------------------------------------------------------

    def cancel(self, job_id: int) -> None:
        """Throw ``JobCancelled`` in; it wins over a pause."""
        run = self._runs.get(job_id)
        if run is not None and run.settlement is None:
            self._actor.log.info("cancelling", **run.job.log_context)
            self._advance(run, run.cancel)

    def pause(self, job_id: int) -> None:
        """Leave the run where it stands, with nothing thrown in and its journal complete."""
        run = self._runs.get(job_id)
        if run is None or run.settlement is not None or run.is_interrupted:
            return
        self._actor.log.info("pausing", **run.job.log_context)
        self._dispatcher.withdraw(run, run.pause())
        self._look_at_interruption(run)

    def overdue(self, job_id: int, fence: int) -> None:
        """End a cancelled run that has had its time for ``finally``."""
        run = self._under(job_id, fence)
        if run is None or run.settlement is not None:
            return
        run.execution.drop()
        self._end(run, Cancelled())

    def _look_at_interruption(self, run: LaneRun) -> None:
        """End a paused run that waits for nothing more, or limit the time of a cancelled run."""
        if run.is_parked:
            run.execution.drop()
            self._settle(run, handed_back(run.job))
        elif run.is_unwinding and run.overdue is None:
            overdue = CancellationOverdue(run.job.id, run.job.fence)
            due = self._actor.clock.now() + run.job.timeout
            # A `finally` that never ends would keep the lane's place for ever.
            run.overdue = self._actor.clock.call_at(due, self._actor.name, overdue)

    # --- runs go on -----------------------------------------------------------------------

    def call_ended(self, ended: CallEnded) -> None:
        """Deliver the outcome of a call to its run, or to the pace if no run asked for it."""
        ticket, outcome = ended.ticket, ended.outcome
        run = self.of(ticket)
        if run is None:
            self._dispatcher.pace.inquiry_ended(ended)
            return
        if not self._dispatcher.ended(run, ticket.call_id, outcome):
            return
        if isinstance(outcome, Failure) and isinstance(outcome.error, FenceLost):
            self._drop(run, str(outcome.error))
            return
        self._advance(run, lambda: run.execution.deliver(ticket.call_id, outcome))

    def intent_recorded(self, ticket: CallTicket, written: bool) -> None:
        """Let a write leave whose intent is committed; drop a run that has lost its job."""
        run = self.of(ticket)
        if run is None:
            return
        if written:
            self._dispatcher.intent_recorded(run, ticket.call_id)
        else:
            self._drop(run, "the job belongs to another run")

    def ask_again(self, actor: str) -> None:
        """Ask an actor again that began anew and forgot what it was asked."""
        for run in list(self._runs.values()):
            if actor == messages.RECORDER and run.settlement is not None:
                self.record(run.settlement)
            else:
                self._dispatcher.ask_again(run, actor)

    def _advance(self, run: LaneRun, advance: Callable[[], Sequence[Effect]]) -> None:
        """Advance the coroutine and carry out what it wants."""
        before = time.monotonic()
        try:
            with self._code.of(run.job.id):
                effects = advance()
                self._carry_out(run, effects)
        except Exception as error:
            # The objects that a handler yields and raises may themselves raise wherever they are
            # looked at. An error here would end the actor, and with it the runs of other jobs.
            self._actor.log.exception("the run cannot go on", **run.job.log_context)
            run.execution.drop()
            self._end(run, cannot_go_on(error))
            return
        finally:
            self._warn_if_slow(run.job, timedelta(seconds=time.monotonic() - before))
        if run.execution.ended is not None:
            self._end(run, run.execution.ended)
            return
        self._look_at_interruption(run)

    def _carry_out(self, run: LaneRun, effects: Sequence[Effect]) -> None:
        withdrawn, wanted = run.sorted_out(effects)
        if withdrawn:
            self._dispatcher.withdraw(run, withdrawn)
        for effect in wanted:
            self._dispatcher.perform(run, effect)

    def _warn_if_slow(self, job: Job, held: timedelta) -> None:
        if held > SLOW_ADVANCE:
            self._actor.log.warning(
                "handler held the actor: move what takes long into self.run_blocking(...)",
                handler=job.key,
                held_ms=round(held.total_seconds() * 1000),
                **job.log_context,
            )

    # --- runs end -------------------------------------------------------------------------

    def _end(self, run: LaneRun, end: End) -> None:
        with self._code.of(run.job.id):
            settlement = self._settlement_of(run.job, end)
        if settlement.trouble is not None:
            self._dispatcher.pace.troubled(run.job.shop.id, settlement.trouble)
        if settlement.awaits_seller and self._marketplace.lanes.needs_seller:
            self._await_seller(run.job.user_id, settlement.delay)
        else:
            settlement = looks_again(settlement)
        self._settle(run, settlement)

    def _await_seller(self, user_id: int, delay: timedelta) -> None:
        """Take the lane's seller for absent, until the bridge says that the seller is there."""
        self._lanes.seller_disconnected(user_id)
        # The seller may have come back before the run ended, or may never have left. Without this
        # question the lane would then wait for a message that does not come.
        wanted = messages.PresenceWanted(self._actor.name, user_id)
        if delay:
            clock = self._actor.clock
            clock.call_at(clock.now() + delay, messages.BRIDGE, wanted)
        else:
            self._actor.tell(messages.BRIDGE, wanted)

    def _settlement_of(self, job: Job, end: End) -> Settlement:
        log, now = self._actor.log, self._actor.clock.now()
        return read_end(
            job,
            lambda: self._marketplace.settle(job, end, now),
            lambda _: log.exception("the end of a run cannot be read", **job.log_context),
        )

    def _settle(self, run: LaneRun, settlement: Settlement) -> None:
        self._dispatcher.withdraw_all(run)
        if run.overdue is not None:
            run.overdue.cancel()
        if self._code.has_stalled(run.job.id):
            settlement = replace(settlement, stalled=True)
        run.settlement = settlement
        self._actor.log.info(
            "job ended",
            how=settlement.event.value,
            error=settlement.error,
            waiting_reason=settlement.waiting_reason,
            **run.job.log_context,
        )
        self.record(settlement)

    def record(self, settlement: Settlement) -> None:
        """Have the recorder write down how a run ended."""
        record = messages.RecordSettlement(self._actor.name, settlement)
        self._actor.tell(messages.RECORDER, record)

    def settlement_recorded(self, recorded: messages.SettlementRecorded) -> None:
        """Give the place of a run back whose end is committed; before that the place is taken."""
        run = self._under(recorded.job_id, recorded.fence)
        if run is None:
            return
        if not recorded.written:
            self._actor.log.warning("the job belongs to another run", **run.job.log_context)
            self._forget(run)
        else:
            self._forget(run, run.back_in(self._actor.clock.now()))

    def settlement_invalid(self, invalid: messages.SettlementInvalid) -> None:
        """Try one other settlement, because the database refused how a run ended."""
        run = self._under(invalid.job_id, invalid.fence)
        if run is None:
            return
        if run.had_invalid_settlement:
            self._drop(run, f"it cannot be settled: {invalid.reason}")
            return
        run.had_invalid_settlement = True
        self._end(run, cannot_be_stored(invalid.reason))

    def hand_back_ready(self) -> None:
        """Give back the jobs that have not started."""
        for lane, job in self._lanes.take_ready():
            self._settle(self._new_run(job, lane), handed_back(job))

    def hand_back_running(self) -> None:
        """Send nothing more, and give back the jobs that run."""
        self._dispatcher.pace.close()
        for run in [one for one in self._runs.values() if one.settlement is None]:
            # The writes under way are in the journal, and the next run looks them up. Nothing is
            # thrown into a run that is dropped, or the handler's ``finally`` would run.
            run.execution.drop()
            self._settle(run, handed_back(run.job))

    def _under(self, job_id: int, fence: int) -> LaneRun | None:
        """Return the run of a job if it has this fence.

        A message with another fence speaks of a former run of the job.
        """
        run = self._runs.get(job_id)
        return run if run is not None and run.job.fence == fence else None

    def _drop(self, run: LaneRun, reason: str) -> None:
        self._actor.log.warning("run dropped", reason=reason, **run.job.log_context)
        # Whoever took the job over has counted the poisoning, from the marker.
        self._code.has_stalled(run.job.id)
        run.execution.drop()
        self._dispatcher.withdraw_all(run)
        self._forget(run)

    def _forget(self, run: LaneRun, back_in: timedelta | None = NOW) -> None:
        """Give the place back; the job may wait again after that time (None: it does not)."""
        del self._runs[run.job.id]
        self._lanes.ended(run.lane, run.job.priority, back_in)
        self.start_ready()
