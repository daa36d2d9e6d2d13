"""One look at all records that Etsy gives in pages of ``{count, results}``. Pure.

An offset counts records. When one leaves or enters while the pages are read, the others move,
and one can slip from a page to come onto a page already read. Only a look that saw as many
records as there are, on every page, has missed none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class OffsetLook:
    """What one look has seen so far.

    Attributes:
        offset: how many records were read: where the next page begins.
        pages: how many pages were read.
        ids: of the records, each once.
        counts: how many there are, as each of the pages said.
    """

    offset: int = 0
    pages: int = 0
    ids: set[str] = field(default_factory=set)
    counts: set[int] = field(default_factory=set)
    is_over: bool = False

    def add(self, count: int, ids: Sequence[str], records: int) -> None:
        """Take the next page in.

        Args:
            ids: of those of its records that have one.
            records: how many the page holds.
        """
        self.pages += 1
        self.offset += records
        self.ids.update(ids)
        self.counts.add(count)
        self.is_over = not records or self.offset >= count

    def doubt(self) -> str | None:
        """Why it may have missed a record; None where it cannot have."""
        if len(self.counts) > 1:
            return "the shop changed while it was read"
        announced = next(iter(self.counts), 0)
        if announced != len(self.ids):
            return f"{announced} records were announced and {len(self.ids)} seen"
        return None
