"""Vinted, a journal and a person, for handlers that are crashed on their way.

Like :mod:`tests.support.handlers.replay_world`, with the sandbox's browser plugin as the
marketplace. The memory of a job's process dies with each crash; this world outlives it.
"""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from plugins.vinted.sandbox import Extension, Wardrobe
from runtime.errors import CallRejected, CallTimeout, JobFailed, OutcomeUnknown
from runtime.handlers.job_handler import BaseJobHandler
from runtime.runs.calls import (
    AwaitQuiet,
    BlockingCall,
    Call,
    Failure,
    Outcome,
    RecordStep,
    Success,
    TransactionCall,
    WebSocketCall,
)
from runtime.runs.execution import End, Execution, Failed, Finished, Perform, Undecided
from runtime.runs.failed_steps import failed_steps
from runtime.runs.failures import consequence_of
from runtime.runs.job import Job
from runtime.runs.job_states import JobEvent
from runtime.runs.journal import RecordedStep, StepStatus
from runtime.storage.selling import product_listings
from runtime.storage.selling.sent_messages import MessageTaken, record_sent_message

LEAVES_WITHIN = 10
ANSWERS = ("well", "lost", "unanswered", "late", "failed")


class Crashed(Exception):
    """The process died here."""


@dataclass
class JobInWorld:
    """A job, and what is recorded of it."""

    handler: type[BaseJobHandler]
    job: Job
    journal: dict[str, RecordedStep] = field(default_factory=dict)
    quiet: dict[str, tuple[int, int]] = field(default_factory=dict)
    end: End | None = None
    questions: int = 0


@dataclass
class World:
    """The world that outlives a crash.

    Attributes:
        answers: what becomes of the next writes; well, once these are used up.
        owners: which job's product sells each listing, or which job sent each message.
    """

    wardrobe: Wardrobe
    answers: deque[str]
    extension: Extension = field(init=False)
    owners: dict[str, str] = field(default_factory=dict)
    late: list[tuple[int, WebSocketCall]] = field(default_factory=list)
    now: int = 0

    def __post_init__(self) -> None:
        self.extension = Extension(self.wardrobe)

    def send(self, call: WebSocketCall) -> Outcome:
        """A command reaches the browser."""
        answer = self.answers.popleft() if call.writes and self.answers else "well"
        if answer == "late":
            self.late.append((self.now + LEAVES_WITHIN + _seconds(call), call))
        if answer in {"lost", "late"}:
            return Failure(CallTimeout("no answer", writes=True))
        response = self.extension.execute(call.action, json.loads(json.dumps(call.payload)))
        if answer == "unanswered":
            return Failure(CallTimeout("no answer", writes=True))
        if answer == "failed":
            return Failure(OutcomeUnknown("Vinted failed", status=500, writes=True))
        if response["success"]:
            return Success(json.loads(json.dumps(response["data"])))
        refusal = response["error"], response["status"], response["error_code"]
        return Failure(
            CallRejected(refusal[0], status=refusal[1], error_code=refusal[2], writes=call.writes)
        )

    def wait_until(self, when: int) -> None:
        """Time passes, and what is late arrives."""
        self.now = max(self.now, when)
        for due, call in [one for one in self.late if one[0] <= self.now]:
            self.late.remove((due, call))
            self.extension.execute(call.action, call.payload)

    def transact(self, call: TransactionCall) -> Any:
        """Do what the storage does, as far as it decides anything."""
        if call.function is product_listings.adopt_listing:
            _, _, sku, candidates = call.arguments
            return self._own([(one["external_id"], one) for one in candidates], sku)
        if call.function is record_sent_message:
            _, _, reference, _, candidates = call.arguments
            return self._own([(str(one["id"]), one) for one in candidates], reference)
        return None

    def _own(self, candidates: list[tuple[str, Any]], owner: str) -> Any:
        for identity, one in candidates:
            if self.owners.setdefault(identity, owner) == owner:
                return one
        raise (
            product_listings.ListingTaken("taken") if owner[:4] != "job-" else MessageTaken("taken")
        )


def run_once(world: World, it: JobInWorld, crash_after: int | None) -> None:
    """One run of the job; it dies after so many stages, or ends by itself."""
    stages = iter(range(crash_after)) if crash_after is not None else None

    def tick() -> None:
        if stages is not None and next(stages, None) is None:
            raise Crashed

    execution = Execution(lambda: it.handler(it.job).execute(it.job), list(it.journal.values()))
    try:
        effects = execution.start()
        while execution.ended is None:
            effect = effects.pop(0)
            assert isinstance(effect, Perform)
            tick()
            outcome = _carry_out(world, it, effect, tick)
            tick()
            effects += execution.deliver(effect.call_id, outcome)
    except Crashed:
        execution.drop()
        return
    _settle(world, it, execution.ended)


def _carry_out(world: World, it: JobInWorld, effect: Perform, tick: Callable[[], None]) -> Outcome:
    call: Call = effect.call
    match call:
        case WebSocketCall() if call.writes:
            assert effect.step is not None
            leaving = world.now + LEAVES_WITHIN
            _, settled = it.quiet.get(effect.step, (0, 0))
            it.quiet[effect.step] = leaving, max(settled, leaving + _seconds(call))
            it.journal[effect.step] = RecordedStep(
                effect.step, StepStatus.STARTED, within=effect.within
            )
            tick()
            return world.send(call)
        case WebSocketCall():
            return world.send(call)
        case AwaitQuiet(name, settled):
            until = it.quiet.get(name, (0, 0))[settled]
            waited = until > world.now
            world.wait_until(until)
            return Success(waited)
        case RecordStep(name, status, text, error):
            result = json.loads(text or "null")
            it.journal[name] = RecordedStep(name, status, result, error, within=effect.within)
            return Success(result)
        case TransactionCall():
            try:
                result = world.transact(call)
            except (product_listings.ListingTaken, MessageTaken) as taken:
                return Failure(taken)
            it.journal[call.name] = RecordedStep(
                call.name, StepStatus.SUCCEEDED, result, within=effect.within
            )
            return Success(result)
        case BlockingCall():
            return Success(list(call.arguments[0]))
    raise AssertionError(f"nobody carries out {call!r}")


def _settle(world: World, it: JobInWorld, end: End | None) -> None:
    if isinstance(end, Failed):
        for name in failed_steps(end.error):
            if it.journal[name].status is StepStatus.FAILED:
                del it.journal[name]
        if consequence_of(end.error, of_account=False).event is not JobEvent.FAIL:
            return
    if isinstance(end, Undecided):
        it.questions += 1
        _ask_person(world, it, end.step)
        return
    it.end = end


def _ask_person(world: World, it: JobInWorld, step: str) -> None:
    """Somebody looks, after everything has settled, at what the sandbox alone can see."""
    world.wait_until(max((settled for _, settled in it.quiet.values()), default=0))
    created = int(it.job.created_at.timestamp())
    reference = f"job-{it.job.id}-{created}"
    made = [one for one in world.wardrobe.items() if one.get("reference") == reference]
    if not made:
        del it.journal[step]
        return
    happened = {"external_id": str(made[0]["id"]), "url": made[0]["url"]}
    it.journal[step] = replace(it.journal[step], status=StepStatus.SUCCEEDED, result=happened)


def to_the_end(world: World, jobs: list[JobInWorld], crashes: list[int]) -> None:
    """Run the jobs in turns, each until it is over; the first runs crash where it is said."""
    left = deque(crashes)
    for _ in range(60):
        waiting = [one for one in jobs if one.end is None]
        if not waiting:
            return
        for one in waiting:
            run_once(world, one, left.popleft() if left else None)
    raise AssertionError("it never ends")


def _seconds(call: WebSocketCall) -> int:
    return int(call.settles_within / timedelta(seconds=1))


__all__ = ["ANSWERS", "Finished", "JobFailed", "JobInWorld", "World", "to_the_end"]
