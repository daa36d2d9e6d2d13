"""The ``filter`` of getOrders, such as ``creationdate:[2026-01-01T00:00:00.000Z..]``."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from plugins.ebay.sandbox.errors import refused
from plugins.ebay.sandbox.state import Record, moment

DEFAULT_WINDOW = timedelta(days=90)
LONGEST = timedelta(days=2 * 366)
_CRITERION = re.compile(r"(\w+):(\[[^\]]*\]|\{[^}]*\})(?:,|$)")
_DATES = {"creationdate": "creationDate", "lastmodifieddate": "lastModifiedDate"}
# eBay's document knows only these two combinations.
_STATUSES = ({"NOT_STARTED", "IN_PROGRESS"}, {"FULFILLED", "IN_PROGRESS"})


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Selects orders by one of their times, and by how far they are shipped."""

    field: str
    start: datetime
    end: datetime
    statuses: frozenset[str] | None = None

    def __call__(self, order: Record) -> bool:
        """Return whether the order is wanted."""
        # Times in this form are in the order of their texts.
        within = moment(self.start) <= order[self.field] <= moment(self.end)
        return within and (
            self.statuses is None or order["orderFulfillmentStatus"] in self.statuses
        )


def parsed(text: str | None, now: Callable[[], datetime]) -> OrderFilter:
    """Read a filter; the default selects the orders of the last 90 days.

    Raises:
        Refused: with eBay's error for what is wrong with it.
    """
    criteria = _criteria(text or "")
    statuses = None
    if given := criteria.get("orderfulfillmentstatus"):
        statuses = frozenset(given.strip("{}").split("|"))
        if statuses not in _STATUSES:
            raise refused(400, 30800, f"{given} for filter orderfulfillmentstatus")
    for name, field in _DATES.items():
        if name in criteria:
            start, end = _range(criteria[name], now())
            return OrderFilter(field, start, end, statuses)
    return OrderFilter("creationDate", now() - DEFAULT_WINDOW, now(), statuses)


def _criteria(text: str) -> dict[str, str]:
    criteria: dict[str, str] = {}
    position = 0
    while position < len(text):
        found = _CRITERION.match(text, position)
        if found is None:
            raise refused(400, 30800, text[position:])
        name = found.group(1).lower()
        if name not in {*_DATES, "orderfulfillmentstatus"}:
            raise refused(400, 30700, found.group(1))
        criteria[name] = found.group(2)
        position = found.end()
    return criteria


def _range(text: str, now: datetime) -> tuple[datetime, datetime]:
    first, dots, last = text.strip("[]").partition("..")
    if not first:
        raise refused(400, 30820)
    if not dots:
        raise refused(400, 30810)
    start = _moment(first)
    end = _moment(last) if last else now
    # A client's clock may be a little ahead.
    if start > now or end > now + timedelta(minutes=5):
        raise refused(400, 30850)
    if start > end:
        raise refused(400, 30840)
    if now - start > LONGEST:
        raise refused(400, 30830)
    return start, end


def _moment(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise refused(400, 30810) from None
    # eBay takes UTC only, and writes it with a Z.
    if when.tzinfo is None or not text.endswith("Z"):
        raise refused(400, 30810)
    return when
