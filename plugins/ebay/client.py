"""Calls eBay's API for the handler of one job, and reads its pages.

The addresses stand in :mod:`plugins.ebay.inventory`, :mod:`plugins.ebay.offers` and
:mod:`plugins.ebay.orders`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from plugins.ebay.errors import Record, warnings_in
from runtime import BaseJobHandler
from runtime.answers import unreadable

SETTLES_WITHIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class LinkedPage:
    """One page of many.

    Attributes:
        next: the path and query of the page that follows; None for the last one.
        total: the number of rows on all pages, as this page says; None if it does not say so.
    """

    rows: list[Record]
    next: str | None
    total: int | None


class EbayClient:
    """Calls eBay in the name of the job's shop.

    Args:
        language: the language of written texts, such as ``fr-FR``.
        settles_within: the time after which a write cannot take effect any more.
    """

    def __init__(
        self,
        handler: BaseJobHandler,
        language: str | None = None,
        settles_within: timedelta = SETTLES_WITHIN,
    ) -> None:
        self._handler = handler
        self._language = language
        self._settles_within = settles_within

    async def read(self, path: str, **params: str) -> Record:
        """Read the JSON object at a path.

        Raises:
            CallRejected: the call is refused, or there is no object at the path.
        """
        answer = await self._handler.call_http("GET", path, params=params or None)
        if not isinstance(answer, dict):
            raise unreadable(f"GET {path}", answer, "no object", writes=False)
        return answer

    async def page(self, path: str, name: str, **params: str) -> LinkedPage:
        """Read one page of a collection, whose rows stand under a name.

        Args:
            path: the path of the collection, or of a page that another page named as its next.

        Raises:
            CallRejected: the call is refused, or the answer is not a page.
        """
        answer = await self.read(path, **params)
        rows = answer.get(name, [])
        following = answer.get("next")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise unreadable(f"GET {path}", answer, f"no list of {name}", writes=False)
        # Pages are followed by their links and offsets are not computed: a page of items counts its
        # offset in pages, and a page of orders counts it in orders. A link that leads elsewhere
        # would end or falsify the walk.
        if following is not None and not _leads_on(following, path):
            raise unreadable(f"GET {path}", answer, "next is no page of it", writes=False)
        total = answer.get("total")
        return LinkedPage(
            rows,
            # Only the query is taken from the link. Its host is eBay's own, and a call through a
            # proxy has to go on through the proxy.
            f"{urlsplit(path).path}?{urlsplit(following).query}" if following else None,
            total if isinstance(total, int) and not isinstance(total, bool) else None,
        )

    async def write(self, method: str, path: str, body: Record | None = None) -> Any:
        """Send a write; return the answer as it came, or None."""
        headers = {}
        if body is not None and self._language is not None:
            # eBay refuses an item or an offer without this header.
            headers["Content-Language"] = self._language
        answer = await self._handler.call_http(
            method,
            path,
            json=body,
            headers=headers or None,
            settles_within=self._settles_within,
        )
        # A good answer may carry warnings, and nobody else would ever read them.
        for warning in warnings_in(answer):
            self._handler.log.warning("eBay warns", call=f"{method} {path}", warning=warning)
        return answer

    async def write_for(self, name: str, method: str, path: str, body: Record | None = None) -> str:
        """Send a write whose answer holds an id of that name; return the id.

        Raises:
            OutcomeUnknown: the write was made, but the answer does not hold the id.
        """
        answer = await self.write(method, path, body)
        found = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(found, str) or not found:
            raise unreadable(f"{method} {path}", answer, f"no {name}", writes=True)
        return found


def part(value: str) -> str:
    """Return a value as one part of a path, with a slash in it encoded."""
    return quote(value, safe="")


def _leads_on(following: object, path: str) -> bool:
    """Return whether the address is the one of another page of the same collection.

    The host does not count: eBay names its own, even if it is called through a proxy.
    """
    if not isinstance(following, str):
        return False
    here, there = urlsplit(path), urlsplit(following)
    return there.path.endswith(here.path) and there.query not in {"", here.query}
