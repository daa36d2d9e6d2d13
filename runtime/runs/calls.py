"""The calls that a handler can yield, and their outcomes.

A call is a value: frozen, reusable, awaitable. Awaiting it hands it to whoever drives the
coroutine (:class:`runtime.runs.execution.Execution`), which sends an outcome back in. The
functions :meth:`Call.__await__` and :meth:`Gather.__await__` are the only places that yield.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar

from runtime.errors import CallTimeout, InvalidCall
from runtime.runs.answer import Answer
from runtime.runs.journal import StepStatus

# A sleeping run holds its place in the lane, and a restart forgets the sleep.
MAX_SLEEP = timedelta(seconds=60)
BROWSER_SETTLES_WITHIN = timedelta(minutes=2)
HTTP_SETTLES_WITHIN = timedelta(seconds=30)
"""A write that has left may take effect so long after it. A look that finds nothing before that
time does not prove that the write did not happen."""
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Success:
    """The call was answered.

    Attributes:
        answer: the envelope, where the marketplace's API answered.
    """

    value: Any
    answer: Answer | None = field(default=None, compare=False, repr=False)

    def unwrap(self) -> Any:
        """Return the answer."""
        return self.value


@dataclass(frozen=True, slots=True)
class Failure:
    """The call failed; the error says how.

    Attributes:
        answer: the envelope, where the marketplace's API answered.
    """

    error: BaseException
    answer: Answer | None = field(default=None, compare=False, repr=False)

    def unwrap(self) -> Any:
        """Raise the error at the ``await``."""
        raise self.error


Outcome = Success | Failure


class Call:
    """One message out, one outcome back.

    Attributes:
        writes: whether carrying it out may change something outside.
    """

    # The notebook is no field: a call is equal to another one whoever made it.
    __slots__ = ("_unawaited",)
    writes: bool = False

    def __await__(self) -> Generator["Call", Outcome, Any]:
        """Yield the call; return its answer or raise its failure."""
        self.note_use()
        outcome = yield self
        return outcome.unwrap()

    def keep_until_use(self, unawaited: "dict[int, Call]") -> None:
        """Stand in a notebook, by identity, until somebody awaits the call."""
        object.__setattr__(self, "_unawaited", unawaited)
        unawaited[id(self)] = self

    def note_use(self) -> None:
        """Leave the notebook, if the call stands in one."""
        unawaited: dict[int, Call] = getattr(self, "_unawaited", {})
        unawaited.pop(id(self), None)


@dataclass(frozen=True, slots=True)
class WebSocketCall(Call):
    """A command to the seller's browser.

    Attributes:
        task_type: the journal's word for the way in which a step was carried out.
    """

    task_type: ClassVar[str] = "websocket"
    action: str
    payload: dict[str, Any] = field(default_factory=dict)
    timeout: timedelta | None = None
    reads: bool = False
    settles_within: timedelta = BROWSER_SETTLES_WITHIN

    @property
    def writes(self) -> bool:  # type: ignore[override]
        """Whether the command writes; it does unless it was declared to read."""
        return not self.reads


class Authorization(StrEnum):
    """The party in whose name an HTTP call is made."""

    SHOP = "shop"
    APPLICATION = "application"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image of a product as a file of a form; read only when the request is about to leave.

    Attributes:
        image: as in a product: a path below the media directory, or an https URL.
    """

    image: str


@dataclass(frozen=True, slots=True)
class HttpCall(Call):
    """A request to the marketplace's API, relative to its base URL.

    Attributes:
        task_type: the journal's word for the way in which a step was carried out.
    """

    task_type: ClassVar[str] = "http"
    method: str
    path: str
    params: dict[str, Any] | None = None
    json: Any = None
    form: dict[str, Any] | None = None
    files: dict[str, Any] | None = None
    headers: dict[str, str] | None = None
    timeout: timedelta | None = None
    settles_within: timedelta = HTTP_SETTLES_WITHIN
    authorization: Authorization = Authorization.SHOP

    @property
    def writes(self) -> bool:  # type: ignore[override]
        """Whether the method is another than GET, HEAD and OPTIONS."""
        # So HTTP has it (RFC 9110): these methods are safe, and may be repeated.
        return self.method.upper() not in READING_METHODS


@dataclass(frozen=True, slots=True)
class SleepCall(Call):
    """A short wait, which is not durable: after a crash it begins anew."""

    duration: timedelta


@dataclass(frozen=True, slots=True)
class BlockingCall(Call):
    """A function to run on the worker pool."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()

    @staticmethod
    def late(timeout: timedelta) -> Failure:
        """Return the outcome of a function that did not return in time; its thread goes on."""
        seconds = timeout.total_seconds()
        return Failure(CallTimeout(f"the function did not return within {seconds:g}s"))


@dataclass(frozen=True, slots=True)
class MediaCall(BlockingCall):
    """A function that works with images; it gets the media directory as its first argument."""


@dataclass(frozen=True, slots=True)
class TransactionCall(Call):
    """A function to run in a database transaction that the runtime commits."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    # As a write it becomes a step, whose record is committed together with it.
    writes = True


@dataclass(frozen=True, slots=True)
class ProgressCall(Call):
    """A word on how far the job is; it is answered at once and recorded later."""

    current: int
    total: int | None = None
    message: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the progress as it is recorded and shown."""
        return {"current": self.current, "total": self.total, "message": self.message}


@dataclass(frozen=True, slots=True)
class RecordStep(Call):
    """Writes the outcome of a step down; it is answered with the result after the commit.

    Attributes:
        result: as JSON text.
    """

    name: str
    status: StepStatus
    result: str | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AwaitQuiet(Call):
    """Waits until a write, whose outcome is open, cannot leave or take effect any more.

    The answer is whether there was anything to wait for.

    Attributes:
        settled: wait until a look at the marketplace can say "no", not only until nothing of
            a former run can leave.
    """

    name: str
    settled: bool


@dataclass(frozen=True, slots=True)
class Park(Call):
    """Ends the run without going on, once its other branches have ended or are parked too.

    Attributes:
        error: the reason why nobody can tell whether the step happened; None if there is no look.
    """

    name: str
    error: Exception | None


@dataclass(frozen=True, slots=True)
class RunStep(Call):
    """A call under a name, whose outcome is recorded.

    Attributes:
        make: makes the awaitable that does the step.
        reconcile: makes the awaitable that looks whether the step took effect in an earlier run.
        repeatable: whether the step may be done twice, so that nobody has to look.
    """

    name: str
    make: Callable[[], Awaitable[Any]]
    reconcile: Callable[[], Awaitable[Any]] | None = None
    repeatable: bool = False


class Gather:
    """Several coroutines or calls at once.

    Awaiting it waits for all branches and returns their results in the order given. If some failed,
    the failure of the first in that order is raised then, so that the same outcomes give the same
    error in whatever order they arrived.
    """

    __slots__ = ("branches",)

    def __init__(self, *branches: Call | Coroutine[Any, Any, Any]) -> None:
        self.branches = branches
        wrong = [repr(one) for one in branches if not isinstance(one, Call | Coroutine)]
        if wrong:
            # Coroutines that were handed in and are never awaited would make Python warn.
            self.close()
            raise InvalidCall(
                f"gather takes calls and coroutines, not {wrong[0]}: "
                "call the async function that makes it"
            )

    def __await__(self) -> Generator["Gather", Outcome, list[Any]]:
        """Yield the group; return the list of results."""
        outcome = yield self
        results: list[Any] = outcome.unwrap()
        return results

    def close(self) -> None:
        """Give up the coroutines; for a group that is not awaited."""
        for branch in self.branches:
            if isinstance(branch, Coroutine | Gather):
                branch.close()


def as_duration(value: timedelta | float | None, what: str) -> timedelta | None:
    """Accept a timedelta or a number of seconds.

    Raises:
        InvalidCall: not positive, or not a duration.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, timedelta | int | float):
        raise InvalidCall(f"{what} must be a timedelta or seconds, not {value!r}")
    try:
        duration = value if isinstance(value, timedelta) else timedelta(seconds=value)
    except (ValueError, OverflowError):
        raise InvalidCall(f"{what} must be a number of seconds, not {value!r}") from None
    if duration <= timedelta(0):
        raise InvalidCall(f"{what} must be positive, not {value!r}")
    return duration
