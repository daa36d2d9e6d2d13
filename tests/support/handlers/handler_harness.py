"""Drives a handler to its end without threads, actors, sockets or a database."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime.handlers.job_handler import BaseJobHandler, execution_of
from runtime.products.media import Media
from runtime.runs.calls import (
    BlockingCall,
    Call,
    Failure,
    MediaCall,
    Outcome,
    ProgressCall,
    RecordStep,
    SleepCall,
    Success,
    TransactionCall,
    WebSocketCall,
)
from runtime.runs.execution import End, Execution, Failed, Finished, Perform, Undecided
from runtime.runs.failed_steps import failed_steps
from runtime.runs.job import Job, Shop
from runtime.runs.journal import RecordedStep, StepStatus
from tests.support.handlers.no_media import NO_MEDIA

Browser = Callable[[str, dict[str, Any]], Any]
Journal = dict[str, RecordedStep]
"""The steps and transactions that were recorded, by their names; keep it for the next run."""


@dataclass
class HandlerRun:
    """The result of one run; ``end`` is None where it was crashed on the way."""

    end: End | None = None
    commands: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    transactions: list[str] = field(default_factory=list)
    progress: list[ProgressCall] = field(default_factory=list)

    @property
    def result(self) -> Any:
        """The value that the handler returned."""
        assert isinstance(self.end, Finished), self.end
        return self.end.result

    @property
    def error(self) -> BaseException:
        """The error that the handler raised."""
        assert isinstance(self.end, Failed | Undecided), self.end
        assert self.end.error is not None
        return self.end.error


def make_job(action: str = "sync", marketplace: str = "vinted", **changes: Any) -> Job:
    """A claimed job of seller 7."""
    values: dict[str, Any] = {
        "id": 1,
        "fence": 1,
        "marketplace": marketplace,
        "action": action,
        "user_id": 7,
        "shop": Shop(id=1, external_id="123"),
        "priority": 3,
        "retry_count": 0,
        "max_retries": 3,
        "rate_limit": timedelta(seconds=1.5),
        "timeout": timedelta(seconds=60),
        "created_at": datetime(2026, 1, 9, tzinfo=UTC),
    }
    return Job(**{**values, **changes})


def drive(
    handler_class: type[BaseJobHandler],
    job: Job,
    browser: Browser,
    *,
    instead: Mapping[Callable[..., Any], Callable[..., Any]] | None = None,
    session: Any = None,
    journal: Journal | None = None,
    media: Media = NO_MEDIA,
    crash_after: int | None = None,
) -> HandlerRun:
    """Run the handler.

    Args:
        browser: answers a command with its data, or raises.
        instead: functions to run in transactions in the place of others.
        session: what functions in transactions get as their first argument.
        media: what functions that work with images get as theirs.
        journal: what earlier runs of the job recorded; takes what this run records. The
            failures that ended the run are taken out.
        crash_after: drop the run after so many calls were carried out; to record a step
            does not count.
    """
    journal = {} if journal is None else journal
    execution = Execution(lambda: execution_of(handler_class(job)), journal.values())
    run = HandlerRun()

    def carry_out(call: Call) -> Any:
        if isinstance(call, WebSocketCall):
            run.commands.append((call.action, call.payload))
            return json.loads(json.dumps(browser(call.action, call.payload)))
        if isinstance(call, TransactionCall):
            run.transactions.append(call.name)
            function = (instead or {}).get(call.function, call.function)
            result = json.loads(json.dumps(function(session, *call.arguments)))
            journal[call.name] = RecordedStep(call.name, StepStatus.SUCCEEDED, result)
            return result
        if isinstance(call, RecordStep):
            result = json.loads(call.result or "null")
            journal[call.name] = RecordedStep(call.name, call.status, result, call.error)
            return result
        if isinstance(call, BlockingCall):
            given = (media,) if isinstance(call, MediaCall) else ()
            return call.function(*given, *call.arguments)
        if isinstance(call, ProgressCall):
            run.progress.append(call)
            return None
        assert isinstance(call, SleepCall), f"the harness cannot carry out {call!r}"
        return None

    pending = execution.start()
    carried_out = 0
    while execution.ended is None:
        if carried_out == crash_after:
            execution.drop()
            return run
        effect = pending.pop(0)
        if isinstance(effect, Perform):
            pending += execution.deliver(effect.call_id, _outcome(carry_out, effect.call))
            carried_out += not isinstance(effect.call, RecordStep)
    run.end = execution.ended
    for name in failed_steps(run.end.error) if isinstance(run.end, Failed) else ():
        journal.pop(name, None)
    return run


def _outcome(carry_out: Callable[[Call], Any], call: Call) -> Outcome:
    try:
        return Success(carry_out(call))
    except Exception as error:  # noqa: BLE001 - whatever it is, the handler gets it
        return Failure(error)
