"""What is remembered of a counted window across restarts."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from runtime.closures import Node


@dataclass(frozen=True, slots=True)
class Usage:
    """How many calls drew from a node in one bucket of one of its counted windows.

    Attributes:
        window: the length of the whole window.
        count: all of them, not only those since the last word.
    """

    node: Node
    window: timedelta
    bucket_start: datetime
    count: int
