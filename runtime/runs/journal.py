"""What a run remembers of its steps: values, no I/O."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from runtime import errors
from runtime.errors import CallFailed, MarketplaceRuntimeError, StepFailed
from runtime.errors.safe_text import storable

MAX_RESULT_BYTES = 10_000_000
"""Largest result of a step, as UTF-8 bytes: that of the largest answer of a browser."""


class StepStatus(StrEnum):
    """Where a step stands."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A step as the database has it when a job is claimed.

    Attributes:
        result: what it came back with, where it succeeded.
        error: how it failed, as :func:`error_record` made it.
        quiet_in: for one whose outcome is open: the time after which nothing of the former run
            can leave any more.
        settled_in: the time after which a look at the marketplace can say that it did not
            happen.
        within: the step that this one is part of; once that is done, nobody asks for this one.
    """

    name: str
    status: StepStatus
    result: Any = None
    error: dict[str, Any] | None = None
    quiet_in: timedelta = timedelta(0)
    settled_in: timedelta = timedelta(0)
    within: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may or may not have happened."""
        return self.status in {StepStatus.STARTED, StepStatus.UNKNOWN}


def error_record(error: BaseException) -> dict[str, Any]:
    """What is kept of a failure: enough to raise it again.

    The type is the nearest class that is this project's own, or the foreign one's name.
    """
    own = next((kind for kind in type(error).__mro__ if _is_own(kind)), type(error))
    record: dict[str, Any] = {"type": own.__name__, "message": storable(error)}
    if isinstance(error, CallFailed):
        record |= {
            "status": error.status,
            "error_code": error.error_code,
            "writes": error.writes,
        }
        if error.details:
            record["details"] = error.details
    return record


def as_recorded(error: Exception) -> Exception:
    """The failure as a replay raises it; itself where its class is this project's."""
    return error if _is_own(type(error)) else recorded_error(error_record(error))


def recorded_error(record: dict[str, Any]) -> Exception:
    """The failure of a recorded step, to be raised again.

    One of this project's errors comes back as its own class; any other as ``StepFailed``.
    """
    kind = getattr(errors, str(record.get("type")), None)
    message = str(record.get("message"))
    if isinstance(kind, type) and issubclass(kind, MarketplaceRuntimeError):
        # Past __init__, whose arguments differ: the message is made already.
        error = kind.__new__(kind)
        error.args = (message,)
        for name in ("status", "error_code", "writes", "details"):
            if issubclass(kind, CallFailed):
                setattr(error, name, record.get(name))
        return error
    return StepFailed(f"{record.get('type')}: {message}")


def _is_own(kind: type) -> bool:
    return issubclass(kind, MarketplaceRuntimeError) and getattr(errors, kind.__name__, 0) is kind
