"""Schedules: that somebody changed them, and that one may be due."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SchedulesChanged:
    """A schedule was added, changed or removed; look again. A hint."""


@dataclass(frozen=True, slots=True)
class ScheduleDue:
    """A schedule may be due; the schedules actor to itself."""
