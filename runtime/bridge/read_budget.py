"""Decides how fast the bridge reads from one connection. Pure."""

from dataclasses import dataclass
from datetime import timedelta

# Each piece that is read costs work beside its bytes: a flood of tiny frames must not be cheap.
PIECE_BYTES = 512


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much may be read at once, and how much after that.

    Attributes:
        burst: bytes.
        per_second: bytes per second.
    """

    burst: int
    per_second: int


class ReadBudget:
    """A token bucket of bytes; whoever has used it up is read later, and nothing is thrown away.

    Args:
        now: seconds of a clock that only goes forward.
    """

    def __init__(self, allowance: Allowance, now: float) -> None:
        self._allowance = allowance
        self._left = float(allowance.burst)
        self._at = now

    def grant(self, allowance: Allowance) -> None:
        """Allow another speed from now on, with its whole burst."""
        self._allowance = allowance
        self._left = float(allowance.burst)

    def spend(self, size: int, now: float) -> None:
        """Take one piece of so many bytes from the budget, which may become overdrawn."""
        grown = self._left + (now - self._at) * self._allowance.per_second
        self._left = min(grown, float(self._allowance.burst)) - size - PIECE_BYTES
        self._at = now

    def wait(self) -> timedelta:
        """Return how long the next piece has to wait after the one that was spent last."""
        return timedelta(seconds=max(0.0, -self._left / self._allowance.per_second))
