"""Reads entries one by one, so that an unreadable entry does not spoil the others. Pure."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from runtime.errors import InputError

T = TypeVar("T")


def readable(entries: Iterable[Any], read: Callable[[Any], T]) -> tuple[list[T], list[str]]:
    """Return the entries that can be read, and for each other entry the reason why it cannot.

    Args:
        read: reads one entry; raises :class:`runtime.InputError` if it cannot be read.
    """
    rows: list[T] = []
    problems: list[str] = []
    for entry in entries:
        try:
            rows.append(read(entry))
        except InputError as problem:
            problems.append(str(problem))
    return rows, problems
