"""What a marketplace answered, beside the value that a handler gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """The envelope of one answer.

    Attributes:
        status: the HTTP status; of a browser's answer, the one that it passed on, or None.
        headers: by name in lower case; none where a browser answered.
        text: the body's beginning, where the status says that something is wrong.
        error_code: the machine-readable code that a browser gave.
        from_browser: a seller's browser answered, not the marketplace's API.
        good: the other side did what it was asked for.
    """

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    error_code: str | None = None
    from_browser: bool = False
    good: bool = False


def json_number(value: Any) -> int | None:
    """A whole number that is not negative, as JSON or a header gives it; None for anything else."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value.strip()[:18])
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value
