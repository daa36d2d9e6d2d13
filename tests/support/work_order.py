"""The order in which workers that run side by side take the tests."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def longest_first(
    items: Sequence[T], file_of: Callable[[T], str], longest: Sequence[str], workers: int
) -> list[T]:
    """Put the longest files at the beginning of the shares that the workers get.

    ``--dist worksteal`` gives each worker an equal, contiguous share, and an idle worker takes
    from the end of another's. So the longest files would follow each other in the first share,
    and end last. A file stays whole, because its tests share what it sets up.
    """
    beginnings: list[list[T]] = [[] for _ in range(workers)]
    for number, name in enumerate(longest):
        beginnings[number % workers] += [item for item in items if file_of(item) == name]
    others = [item for item in items if file_of(item) not in longest]
    ordered: list[T] = []
    for worker, beginning in enumerate(beginnings):
        share = (len(items) - len(ordered)) // (workers - worker)
        taken = max(share - len(beginning), 0)
        ordered += [*beginning, *others[:taken]]
        others = others[taken:]
    return ordered
