"""Remembers in which steps an error arose.

The names are kept on the error itself, so that they go wherever the error goes.
"""

import contextlib
from collections.abc import Iterator


def note_failed_step(error: BaseException, name: str) -> None:
    """Remember the step; the innermost one comes first."""
    # An exception class with __slots__ takes no attribute; the step is then not named.
    with contextlib.suppress(AttributeError):
        error.__dict__.setdefault("failed_steps", []).append(name)


def failed_step(error: BaseException) -> str | None:
    """Return the name of the step in which the error arose, or None if it arose outside."""
    names = getattr(error, "failed_steps", None)
    return names[0] if names else None


def failed_steps(error: BaseException) -> tuple[str, ...]:
    """Return the steps that the error ended.

    They are the steps in which the error arose, or in which the error arose that led to it. Errors
    from before that were caught by the handler, so their steps stay as they are.
    """
    for one in _chain(error):
        if names := _names(one):
            return tuple(dict.fromkeys(names))
    return ()


def _names(error: BaseException) -> list[str]:
    names: list[str] = getattr(error, "failed_steps", [])
    return names


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        # An error that a handler raised while it handled another one leads back to the step of that
        # one.
        current = current.__cause__ or current.__context__
