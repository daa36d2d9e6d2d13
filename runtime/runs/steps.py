"""Carries out one step: it is done once, recorded, and looked up before it is tried again.

A step is a coroutine of calls like a handler, and :class:`runtime.runs.execution.Execution` drives
it::

    a former write is open? ─ yes ─► look up ─┬─ it happened ─────────────► record: succeeded
              │ no                            ├─ it did not happen ─► make
              ▼                               └─ nobody can tell ─► park: a person is asked
             make ─┬─ a value ─────────────────────────────────────► record: succeeded
                   ├─ an error, nothing is open ───────────────────► record: failed
                   └─ an error, a write is open ─► look up as above, but with
                                                   "it did not happen" ─► record: failed
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from runtime.errors import (
    DatabaseUnavailable,
    DidNotHappen,
    HandlerError,
    InvalidJson,
    OutcomeUnknown,
    Snooze,
)
from runtime.runs.calls import AwaitQuiet, Park, RecordStep, RunStep
from runtime.runs.failed_steps import note_failed_step
from runtime.runs.journal import MAX_RESULT_BYTES, StepStatus, as_recorded, error_record
from runtime.values.json_values import json_text

Look = Callable[[], Awaitable[Any]]


@dataclass(slots=True)
class StepState:
    """The state of a step while it runs.

    Attributes:
        open: whether a write of the step may have taken effect although its end is not recorded.
            It may be a write of a former run, or a write of this run that was answered well or
            not at all.
        within: the step that this step is part of, or None.
    """

    name: str
    open: bool = False
    within: str | None = None


async def carry_out(step: RunStep, state: StepState, *, records_itself: bool = False) -> Any:
    """Do the step, unless it turns out to be done, and record how it ended.

    Args:
        records_itself: whether the step is a transaction, which commits its own record.

    Raises:
        DidNotHappen: the outcome was unknown, and the marketplace shows no effect.
        Exception: whatever the step failed with.
    """
    look = step.reconcile
    if state.open and not step.repeatable:
        found = await _look_up(state, look)
        if found is not None:
            return await _succeeded(state.name, found, took_effect=True)
    try:
        value = await step.make()
    except Exception as error:
        if state.open and not step.repeatable:
            found = await _look_up(state, look)
            if found is not None:
                return await _succeeded(state.name, found, took_effect=True)
            if isinstance(error, OutcomeUnknown):
                missing = DidNotHappen(f"{error}; a look showed that it did not happen")
                return await _failed(state.name, missing, error)
        if records_itself and isinstance(error, DatabaseUnavailable):
            # The transaction may have been committed all the same, and then its record must stay.
            note_failed_step(error, state.name)
            raise
        return await _failed(state.name, error)
    if records_itself:
        return value
    return await _succeeded(state.name, value, took_effect=state.open and not step.repeatable)


async def _succeeded(name: str, value: Any, *, took_effect: bool) -> Any:
    try:
        text = json_text(value, f"the result of step {name!r}", max_bytes=MAX_RESULT_BYTES)
    except InvalidJson as error:
        wrong = HandlerError(f"{error}: return a JSON value from the step")
        if took_effect:
            # The write was done. `jobs retry` clears a recorded failure, and would do the write a
            # second time.
            return await Park(name, wrong)
        return await _failed(name, wrong, error)
    return await RecordStep(name, StepStatus.SUCCEEDED, result=text)


async def _failed(name: str, error: Exception, cause: Exception | None = None) -> Any:
    note_failed_step(error, name)
    # A snooze is no failure: the step is done again when the job goes on.
    if not isinstance(error, Snooze):
        await RecordStep(name, StepStatus.FAILED, error=error_record(error))
        same = as_recorded(error)
        if same is not error:
            # The journal cannot hold a foreign error. If this run raised it, a handler could catch
            # it here and not in a replay, and would go another way after a crash.
            note_failed_step(same, name)
            raise same from error
    raise error from cause


async def _look_up(state: StepState, look: Look | None) -> Any:
    """Return what the marketplace shows of the write, or None if it surely did not happen."""
    if look is None:
        return await Park(state.name, None)
    for settled in (False, True):
        # Before the write has settled only a "yes" counts, because a write that is still on its
        # way can make a "no" wrong. A "no" counts only if the look began after that time.
        await AwaitQuiet(state.name, settled=settled)
        try:
            found = await look()
        except Exception as error:  # noqa: BLE001 - whatever it is, it leaves the question open
            return await Park(state.name, error)
        if found is not None:
            break
    state.open = False
    return found
