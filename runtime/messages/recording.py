"""To the recorder and back."""

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
    """Write down how a run ended."""

    reply_to: str
    settlement: Settlement


@dataclass(frozen=True, slots=True)
class SettlementRecorded:
    """It is committed.

    Attributes:
        kept: False where the run had lost its job before, so that nothing was written.
    """

    job_id: int
    fence: int
    kept: bool


@dataclass(frozen=True, slots=True)
class SettlementRefused:
    """The database refuses these values; the run needs another settlement."""

    job_id: int
    fence: int
    reason: str


@dataclass(frozen=True, slots=True)
class RecordIntent:
    """Write down that a write of a step is about to leave.

    Attributes:
        request: what is about to be sent, redacted.
        leaves_within: it leaves in this time or not at all.
        settles_within: how long after it left it can take effect.
        within: the step that this step is part of.
    """

    ticket: CallTicket
    name: str
    task_type: str
    request_id: str | None
    request: Any
    leaves_within: timedelta
    settles_within: timedelta
    within: str | None = None

    @classmethod
    def of(
        cls, ticket: CallTicket, effect: Perform, leaves_within: timedelta, request_id: str | None
    ) -> Self:
        """The intent of a write that is part of a step.

        Args:
            request_id: under which a browser executes it.
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
    """The write may leave; where ``kept`` is False, the run has lost its job."""

    ticket: CallTicket
    kept: bool


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    """Write down how a step ended; answered with :class:`CallSettled`.

    Attributes:
        took: how long ago this run began it.
    """

    ticket: CallTicket
    step: RecordStep
    task_type: str | None
    within: str | None = None
    took: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class RecordProgress:
    """Write down how far a run is."""

    job_id: int
    fence: int
    progress: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordPresence:
    """Write down that a seller came or went."""

    user_id: int
    connected: bool


@dataclass(frozen=True, slots=True)
class PresenceDue:
    """Write who came and went since the last time; recorder to itself."""


@dataclass(frozen=True, slots=True)
class RecordClosure:
    """Write down that a scope is closed; of one kind the newer word counts."""

    closure: Closure

    @property
    def key(self) -> tuple[Scope, ClosureKind]:
        """What it is a word on; of several words the last counts."""
        return self.closure.key


@dataclass(frozen=True, slots=True)
class RecordOpening:
    """Write down that a scope is not closed any more for this reason."""

    scope: Scope
    kind: ClosureKind

    @property
    def key(self) -> tuple[Scope, ClosureKind]:
        """What it is a word on; of several words the last counts."""
        return self.scope, self.kind


@dataclass(frozen=True, slots=True)
class RecordUsage:
    """Write down how many calls went through scopes of the budgets."""

    usage: tuple[Usage, ...]


@dataclass(frozen=True, slots=True)
class UsageWanted:
    """Tell what went through the scopes of a marketplace, behind what is to be written of it."""

    reply_to: str
    marketplace: str


@dataclass(frozen=True, slots=True)
class UsageLoaded:
    """What went through the scopes of the budgets, as the database has it."""

    usage: tuple[Usage, ...]


@dataclass(frozen=True, slots=True)
class ReleaseJobs:
    """Hand back every job of a marketplace that this node runs, behind what is queued.

    Attributes:
        suspect: the job whose code ran when the marketplace's actor hung.
    """

    reply_to: str
    marketplace: str
    suspect: int | None = None


@dataclass(frozen=True, slots=True)
class JobsReleased:
    """They are pending again."""

    marketplace: str
    count: int


@dataclass(frozen=True, slots=True)
class Flush:
    """Write what has gathered; recorder to itself."""
