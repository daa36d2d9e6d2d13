"""One look at all records that Etsy gives in pages of ``{count, results}``. Pure.

An offset counts records. When one leaves or enters while the pages are read, the others move,
and one can slip from a page to come onto a page already read. Only a look that saw as many
records as there are, on every page, has missed none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class OffsetLook:
    """The result of one look so far.

    Attributes:
        offset: the number of records that were read, at which the next page begins.
        pages: the number of pages that were read.
        ids: the ids of the records, each once.
        counts: the numbers of records that there are in all, as the pages said them.
    """

    offset: int = 0
    pages: int = 0
    ids: set[str] = field(default_factory=set)
    counts: set[int] = field(default_factory=set)
    is_over: bool = False

    def add(self, count: int, ids: Sequence[str], records: int) -> None:
        """Add the next page.

        Args:
            ids: the ids of its records, as far as they have one.
            records: the number of records on the page.
        """
        self.pages += 1
        # Etsy's offset counts records, also those that could not be read.
        self.offset += records
        self.ids.update(ids)
        self.counts.add(count)
        # An empty page ends the look even if the count promises more, because asking again would
        # never end.
        self.is_over = not records or self.offset >= count

    def doubt(self) -> str | None:
        """Return the reason why the look may have missed a record; None if it cannot have."""
        # Another count says that a record came or left: the others have moved, and one of them may
        # have slipped onto a page that was read before.
        if len(self.counts) > 1:
            return "the shop changed while it was read"
        # The counts agree, too, if one record leaves and another comes between two pages. A record
        # that slipped by meanwhile is missing from the ids.
        announced = next(iter(self.counts), 0)
        if announced != len(self.ids):
            return f"{announced} records were announced and {len(self.ids)} seen"
        return None
