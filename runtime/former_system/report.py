"""The report of an import from the former system: numbers, notes, and rows with problems."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that a person has to look at, with the reason; most often it was not taken over.

    Attributes:
        former_id: the id of the row; None means the schema or the table as a whole.
    """

    schema: str
    table: str | None
    former_id: Any
    reason: str

    def __str__(self) -> str:
        """Write it as ``user_1.marketplace_jobs 7: it names …``."""
        place = self.schema if self.table is None else f"{self.schema}.{self.table}"
        return f"{place}{'' if self.former_id is None else f' {self.former_id}'}: {self.reason}"


@dataclass
class Report:
    """The numbers of rows that an import took over, or that a dry run would take over.

    Attributes:
        jobs: the number of jobs by the status that they got.
        known: the number of rows that were taken over before.
        linked: the number of jobs that got a product which was missing at their import.
        old: the number of jobs that ended so long ago that the service will remove them.
        skipped: the rows that were not taken over.
        changed: the rows that changed there after they were taken over.
        notes: further lines for the operator.
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
