"""Compares the totals that the pages of a list announce, to find a list that moved. Pure.

While pages are read, an entry may disappear from the list or move to its top. The others then
move too, and an entry can slip unseen from a page to come onto a page that was read already::

    page 1   page 2            page 1   page 2
    A  B     C  D     A sold   B  C     D  E     the walk has read A, B and reads D, E: C slipped
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class PageTotals:
    """The totals that the pages of one walk announced.

    Attributes:
        pages: the number of pages that were read.
    """

    pages: int = 0
    _told: set[tuple[int, int | None]] = field(default_factory=set)

    def add(self, total_pages: int, total_entries: int | None) -> None:
        """Take the next page in.

        Args:
            total_entries: None if the browser plugin does not count the entries.
        """
        self.pages += 1
        self._told.add((total_pages, total_entries))

    def doubt(self, *, entries: int | None = None, is_first: bool = False) -> str | None:
        """Return why an entry may have slipped, or None if none can have.

        Args:
            entries: the number of entries that were seen, if all pages were read.
            is_first: whether no walk before this one has looked for entries that it may miss.
        """
        if len(self._told) > 1:
            return "it changed while it was read"
        for _, total_entries in self._told:
            # Without a count, a list that moved looks like a list that did not. A second walk finds
            # the items that slipped by the first, so this doubt ends there; otherwise such a
            # browser plugin could never be believed. A single page is read at once and cannot move.
            if total_entries is None and self.pages > 1 and is_first:
                return "the browser plugin does not tell how many there are"
            if None not in (total_entries, entries) and total_entries != entries:
                return f"{total_entries} were announced and {entries} seen"
        return None
