"""The journal of a run: the records of its steps, as values without I/O."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from runtime import errors
from runtime.errors import CallFailed, MarketplaceRuntimeError, StepFailed
from runtime.errors.safe_text import storable

MAX_RESULT_BYTES = 10_000_000
"""The largest result of a step in UTF-8 bytes; it equals the largest answer of a browser."""


class StepStatus(StrEnum):
    """The status of a step; of STARTED and UNKNOWN nobody knows whether they took effect."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A step as the database has it when a job is claimed.

    Attributes:
        result: the JSON value of a step that succeeded.
        error: the failure of a step that failed, as :func:`error_record` made it.
        quiet_in: the time after which no write of the former run can leave any more, if the
            outcome is open.
        settled_in: the time after which a look at the marketplace can say that the write did not
            happen, if the outcome is open.
        within: the step that this step is part of. Once that step is done, nobody asks for this.
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
        """Whether nobody knows if the step happened."""
        return self.status in {StepStatus.STARTED, StepStatus.UNKNOWN}


def error_record(error: BaseException) -> dict[str, Any]:
    """Return the record of a failure, which is enough to raise it again.

    The type is the nearest class that is this project's own, or the foreign one's name.
    """
    # A plugin's subclass may be gone when the record is read, so the nearest class of ours is kept.
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
    """Return the failure as a replay raises it; an error of this project is returned itself."""
    return error if _is_own(type(error)) else recorded_error(error_record(error))


def recorded_error(record: dict[str, Any]) -> Exception:
    """Return the failure of a recorded step, to be raised again.

    An error of this project comes back as its own class, any other error as ``StepFailed``.
    """
    kind = getattr(errors, str(record.get("type")), None)
    message = str(record.get("message"))
    if isinstance(kind, type) and issubclass(kind, MarketplaceRuntimeError):
        # __init__ is passed over: its arguments differ from class to class, and the record holds
        # the message that it made.
        error = kind.__new__(kind)
        error.args = (message,)
        for name in ("status", "error_code", "writes", "details"):
            if issubclass(kind, CallFailed):
                setattr(error, name, record.get(name))
        return error
    return StepFailed(f"{record.get('type')}: {message}")


def _is_own(kind: type) -> bool:
    return issubclass(kind, MarketplaceRuntimeError) and getattr(errors, kind.__name__, 0) is kind
