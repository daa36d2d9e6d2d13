"""The faults of a sandbox, and the calls to which they happen."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto


class Fault(Enum):
    """A fault that can happen to a call which is in order itself.

    With the faults in ``UNDONE`` the call is not carried out, or only later (``LATE``). With all
    others it is carried out at once, whatever its client gets to see.
    """

    FAILED = auto()
    """500, and nothing was done."""
    LIMITED = auto()
    """429 in the marketplace's own shape, with the plan's headers and no others."""
    LATE = auto()
    """The connection ends without an answer; the call is carried out ``lands_after`` later."""
    REFUSED = auto()
    """The connection ends without an answer, and nothing was done."""
    DONE_BUT_FAILED = auto()
    """500, although the call was carried out."""
    UNANSWERED = auto()
    """The connection ends without an answer, although the call was carried out."""
    CUT_OFF = auto()
    """The connection ends in the middle of the answer, or before an answer without a body."""
    NOT_JSON = auto()
    """200 with a page of HTML."""
    OVERSIZED = auto()
    """The answer, filled up with blanks to ``size`` bytes."""
    SLOW = auto()
    """The answer, ``delay`` later."""


UNDONE = frozenset({Fault.FAILED, Fault.LIMITED, Fault.LATE, Fault.REFUSED})


@dataclass(slots=True)
class Plan:
    """A fault that waits for its calls."""

    operation: str
    fault: Fault
    times: int | None
    after: int
    headers: Mapping[str, str] = field(default_factory=dict)
    lands_after: timedelta = timedelta(0)
    delay: timedelta = timedelta(0)
    size: int = 0


class Faults:
    """The plans of one sandbox; a test may make and drop them at any time.

    Attributes:
        happened: the number of calls to which a fault happened.
    """

    def __init__(self) -> None:
        self.happened = 0
        self._plans: list[Plan] = []
        # A test makes plans in its own thread, and each connection takes them in another.
        self._lock = threading.Lock()

    def plan(
        self,
        operation: str,
        fault: Fault,
        *,
        times: int | None = 1,
        after: int = 0,
        headers: Mapping[str, str] | None = None,
        lands_after: timedelta = timedelta(seconds=5),
        delay: timedelta = timedelta(seconds=2),
        size: int = 200_000_000,
    ) -> None:
        """Let something happen to calls of an operation that are admitted.

        Args:
            operation: the operation's name in the marketplace's document; ``*`` for any.
            times: the number of calls to which it happens; None for all until :meth:`clear`.
            after: the number of calls that are spared before.
            headers: the headers of :attr:`Fault.LIMITED`, such as ``{"retry-after": "30"}``.
            lands_after: the delay of :attr:`Fault.LATE` on the sandbox's clock.
            delay: the delay of :attr:`Fault.SLOW` in real time.
            size: the size of :attr:`Fault.OVERSIZED` in bytes.
        """
        plan = Plan(
            operation, fault, times, after, headers or {}, lands_after, delay, size
        )  # fmt: skip
        with self._lock:
            self._plans.append(plan)

    def clear(self) -> None:
        """Let everything go well from now on."""
        with self._lock:
            self._plans.clear()

    def take(self, operation: str) -> Plan | None:
        """Return the earliest plan for this call, or None if nothing happens to it."""
        with self._lock:
            for plan in self._plans:
                if plan.operation not in {operation, "*"}:
                    continue
                # A plan that still spares calls lets the next plan look at this one.
                if plan.after > 0:
                    plan.after -= 1
                    continue
                if plan.times is not None:
                    plan.times -= 1
                    if plan.times == 0:
                        self._plans.remove(plan)
                self.happened += 1
                return plan
        return None
