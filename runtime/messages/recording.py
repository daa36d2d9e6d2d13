"""Messages to the recorder, which writes to the database, and its answers."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from runtime.messages.calls import CallTicket
from runtime.rate_limits import Usage
from runtime.rate_limits.closures import Closure, ClosureKind, Scope
from runtime.runs.calls import HttpCall, RecordStep, WebSocketCall
from runtime.runs.execution import Perform
from runtime.runs.request_record import request_record
from runtime.runs.settlement import Settlement


@dataclass(frozen=True, slots=True)
class RecordSettlement:
    """The recorder is to write how a run ended."""

    reply_to: str
    settlement: Settlement


@dataclass(frozen=True, slots=True)
class SettlementRecorded:
    """A settlement is committed.

    Attributes:
        written: whether it was written; it was not if the run had lost its job before.
    """

    job_id: int
    fence: int
    # The fence of a run that lost its job matches no row, and nothing was written.
    written: bool


@dataclass(frozen=True, slots=True)
class SettlementInvalid:
    """The database refuses these values; the run needs another settlement."""

    job_id: int
    fence: int
    reason: str


@dataclass(frozen=True, slots=True)
class RecordIntent:
    """The recorder is to write that a write of a step is about to leave.

    The intent is recorded when the write's turn has come, and not when the handler asks for it:
    ``leaves_within`` would run out while the write waits for its pace.

    Attributes:
        request: the request, without secrets.
        leaves_within: the write leaves within this time or not at all.
        settles_within: the longest time from leaving until the write takes effect.
        within: the step that this step is part of.
    """

    ticket: CallTicket
    name: str
    task_type: str
    request_id: str | None
    request: Any
    # Durations again: settles_at is compared with the database's clock, so the database adds them.
    leaves_within: timedelta
    settles_within: timedelta
    within: str | None = None

    @classmethod
    def of(
        cls, ticket: CallTicket, effect: Perform, leaves_within: timedelta, request_id: str | None
    ) -> Self:
        """Make the intent of a write that is part of a step.

        Args:
            request_id: the id of the command if a browser executes the write, or None.
        """
        call, step = effect.call, effect.step
        assert isinstance(call, WebSocketCall | HttpCall)
        assert step is not None
        return cls(
            ticket, step, call.task_type, request_id, request_record(call), leaves_within,
            call.settles_within, effect.within,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class IntentRecorded:
    """The write may leave, unless ``written`` is False: then the run has lost its job."""

    ticket: CallTicket
    written: bool


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    """The recorder is to write how a step ended; the answer is :class:`CallEnded`.

    Attributes:
        took: the time since this run began the step.
    """

    ticket: CallTicket
    step: RecordStep
    task_type: str | None
    within: str | None = None
    # A duration, because the database tells by its own clock when the step began.
    took: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class RecordProgress:
    """The recorder is to write the progress of a run."""

    job_id: int
    fence: int
    progress: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordPresence:
    """The recorder is to write that a seller connected or disconnected."""

    user_id: int
    connected: bool


@dataclass(frozen=True, slots=True)
class PresenceDue:
    """The recorder tells itself to write the collected changes of presence.

    It waits for a moment before that, so that a connection that flaps costs no statement each time.
    """


@dataclass(frozen=True, slots=True)
class RecordClosure:
    """The recorder is to write that a scope is closed."""

    closure: Closure

    @property
    def key(self) -> tuple[Scope, ClosureKind]:
        """The scope and kind; of several entries with one key only the last is written."""
        return self.closure.key


@dataclass(frozen=True, slots=True)
class RecordOpening:
    """The recorder is to write that a closure of this kind ended."""

    scope: Scope
    kind: ClosureKind

    @property
    def key(self) -> tuple[Scope, ClosureKind]:
        """The scope and kind; of several entries with one key only the last is written."""
        return self.scope, self.kind


@dataclass(frozen=True, slots=True)
class RecordUsage:
    """The recorder is to write the usage of scopes of the rate limits.

    Usage is written after its calls have left, so that no call waits for it; a kill loses the
    releases of the milliseconds of one group commit.
    """

    usage: tuple[Usage, ...]


@dataclass(frozen=True, slots=True)
class UsageWanted:
    """The recorder is to read the usage of a marketplace, after it has written its queue."""

    reply_to: str
    marketplace: str


@dataclass(frozen=True, slots=True)
class UsageLoaded:
    """The usage of scopes of the rate limits, as the database has it."""

    usage: tuple[Usage, ...]


@dataclass(frozen=True, slots=True)
class HandBackJobs:
    """The recorder is to hand back a marketplace's running jobs, after it has written its queue.

    Anybody else could overtake an ending that the dead actor sent before, and the finished job
    would run again.

    Attributes:
        suspect: the job whose code ran when the marketplace's actor hung.
    """

    reply_to: str
    marketplace: str
    # A job is suspected only if its own code ran: jobs that merely waited would be poisoned with
    # it.
    suspect: int | None = None


@dataclass(frozen=True, slots=True)
class JobsHandedBack:
    """The jobs of a marketplace are handed back, and are pending again."""

    marketplace: str
    count: int


@dataclass(frozen=True, slots=True)
class Flush:
    """The recorder tells itself to write the entries that have gathered."""
