"""In which step an error arose; kept on the error itself."""

import contextlib
from collections.abc import Iterator


def note_failed_step(error: BaseException, name: str) -> None:
    """Remember the step; the innermost one comes first."""
    # An exception class with __slots__ takes no attribute; the step is then not named.
    with contextlib.suppress(AttributeError):
        error.__dict__.setdefault("failed_steps", []).append(name)


def failed_step(error: BaseException) -> str | None:
    """The name of the step in which the error arose, where it arose in one."""
    names = getattr(error, "failed_steps", None)
    return names[0] if names else None


def failed_steps(error: BaseException) -> tuple[str, ...]:
    """The steps that the error ended: those it arose in, or the error from which it arose.

    What came before an error that arose in a step was caught by the handler, and stays so.
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
        current = current.__cause__ or current.__context__
