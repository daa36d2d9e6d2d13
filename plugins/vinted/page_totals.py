"""What the pages of a list said of the whole, and whether something can have slipped. Pure.

When a thing disappears from a list or moves to its top while its pages are read, others change
places with it, and one can slip from a page to come onto a page already read.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class PageTotals:
    """The totals that one walk through the pages was told.

    Attributes:
        pages: how many were read.
    """

    pages: int = 0
    _told: set[tuple[int, int | None]] = field(default_factory=set)

    def add(self, total_pages: int, total_entries: int | None) -> None:
        """Take the next page in.

        Args:
            total_entries: None where the browser plugin does not count.
        """
        self.pages += 1
        self._told.add((total_pages, total_entries))

    def doubt(self, *, entries: int | None = None, is_first: bool = False) -> str | None:
        """Why something may have slipped; None where nothing can have.

        Args:
            entries: how many were seen, where all pages were read.
            is_first: nothing that this walk may have missed was looked for before it.
        """
        if len(self._told) > 1:
            return "it changed while it was read"
        for _, total_entries in self._told:
            if total_entries is None and self.pages > 1 and is_first:
                return "the browser plugin does not tell how many there are"
            if None not in (total_entries, entries) and total_entries != entries:
                return f"{total_entries} were announced and {entries} seen"
        return None
