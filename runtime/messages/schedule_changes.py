"""Messages on schedules: somebody changed them, or one of them may be due."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SchedulesChanged:
    """A schedule was added, changed or removed; this is a hint to look again."""


@dataclass(frozen=True, slots=True)
class ScheduleDue:
    """A schedule may be due; the schedules actor tells itself."""
