"""What an import from the former system did, would do, and could not do."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that somebody has to look at, and why: most often, why it could not be taken over.

    Attributes:
        former_id: None: the schema or the table as a whole.
    """

    schema: str
    table: str | None
    former_id: Any
    reason: str

    def __str__(self) -> str:
        """``user_1.marketplace_jobs 7: it names …``."""
        place = self.schema if self.table is None else f"{self.schema}.{self.table}"
        return f"{place}{'' if self.former_id is None else f' {self.former_id}'}: {self.reason}"


@dataclass
class Report:
    """What was, or would be, done.

    Attributes:
        jobs: how many were taken over, by the status that they got.
        known: rows that were taken over before.
        linked: jobs that got a product which was not there when they were taken over.
        old: jobs that ended so long ago that the service will remove them.
        changed: rows that are not what they were when they were taken over.
        notes: what an operator should know beside.
    """

    schemas: list[str] = field(default_factory=list)
    jobs: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    known: int = 0
    linked: int = 0
    old: int = 0
    skipped: list[RowProblem] = field(default_factory=list)
    changed: list[RowProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Add the counts of another report to this one."""
        for one in fields(self):
            counted = getattr(self, one.name)
            counted += getattr(other, one.name)
            setattr(self, one.name, counted)
