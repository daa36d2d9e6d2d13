"""Reads a list whose pages each name the next page."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypedDict, TypeVar

from runtime import BaseJobHandler, JobFailed

# Pages that invent new links for ever must end some day; 10,000 pages of 200 are two million rows.
MOST_PAGES = 10_000


class NextLink(TypedDict):
    """The part of a page that a walk needs."""

    next: str | None


P = TypeVar("P", bound=NextLink)


async def read_pages(
    handler: BaseJobHandler,
    collection: str,
    read: Callable[[int, str | None], Awaitable[P]],
    progress: Callable[[list[P]], tuple[int, int | None, str]],
) -> list[P]:
    """Read all pages, each in a step of its own.

    Args:
        collection: the name of the list, in words for people.
        read: takes the page's number, and the link to it from the page before.
        progress: makes the progress message from the pages that were read so far.

    Raises:
        JobFailed: the pages have no end.
    """
    pages: list[P] = []
    following: str | None = None
    while not pages or following is not None:
        number = len(pages) + 1
        if number > MOST_PAGES:
            raise JobFailed(f"{collection} has more than {MOST_PAGES:,} pages")
        page: Any = await handler.step(
            f"page-{number}", partial(read, number, following), repeatable=True
        )
        following = page["next"]
        # A link back to a page that was read would make the walk go round for ever.
        if following is not None and any(following == one["next"] for one in pages):
            raise JobFailed(f"page {number} of {collection} leads back to an earlier one")
        pages.append(page)
        await handler.progress(*progress(pages))
    return pages
