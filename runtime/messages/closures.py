"""What is closed, as the database has it."""

from dataclasses import dataclass

from runtime.closures import Closure


@dataclass(frozen=True, slots=True)
class ClosuresLoaded:
    """All closures of a marketplace; to its actor, which forgets those it had."""

    closures: tuple[Closure, ...]
