"""Entries of which some cannot be read. Pure."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from runtime.errors import InputError

T = TypeVar("T")


def readable(entries: Iterable[Any], read: Callable[[Any], T]) -> tuple[list[T], list[str]]:
    """Return what can be read of the entries, and the reason why each other one cannot be.

    Args:
        read: reads one entry; raises :class:`runtime.InputError` where it cannot be read.
    """
    rows: list[T] = []
    problems: list[str] = []
    for entry in entries:
        try:
            rows.append(read(entry))
        except InputError as problem:
            problems.append(str(problem))
    return rows, problems
