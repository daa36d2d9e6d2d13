"""The part of a counted window that outlives a restart."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from runtime.rate_limits.closures import Scope


@dataclass(frozen=True, slots=True)
class Usage:
    """The number of calls that drew from a scope in one bucket of a counted window.

    Attributes:
        window: the length of the whole window, which consists of many buckets.
        count: all calls of the bucket, so that writing it twice does no harm.
    """

    scope: Scope
    window: timedelta
    bucket_start: datetime
    count: int
