"""What is remembered of a counted window across restarts."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from runtime.rate_limits.closures import Scope


@dataclass(frozen=True, slots=True)
class Usage:
    """How many calls drew from a scope in one bucket of one of its counted windows.

    Attributes:
        window: the length of the whole window.
        count: all of them, not only those since the last word.
    """

    scope: Scope
    window: timedelta
    bucket_start: datetime
    count: int
