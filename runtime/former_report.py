"""What an import from the former system did, would do, and could not do."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """What could not be taken over, and why.

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
        notes: what an operator should know beside.
    """

    schemas: list[str] = field(default_factory=list)
    jobs: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    known: int = 0
    linked: int = 0
    old: int = 0
    refused: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def restore(self, before: "Report") -> None:
        """What was counted since then did not happen."""
        for one in fields(self):
            setattr(self, one.name, getattr(before, one.name))
