"""The answer of a marketplace, beside the value that a handler gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """The envelope of one answer.

    Attributes:
        status: the HTTP status. A browser passes the marketplace's status on, or None.
        headers: the headers by their names in lower case; empty if a browser answered.
        text: the beginning of the body if the status is an error; otherwise empty.
        error_code: the machine-readable code that a browser gave, or None.
        from_browser: whether a seller's browser answered, and not the marketplace's API.
        good: whether the other side did what it was asked for.
    """

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    error_code: str | None = None
    # The meaning of a status depends on where the answer came from: a 403 to a seller's own
    # browser is about the account.
    from_browser: bool = False
    good: bool = False


def json_number(value: Any) -> int | None:
    """Return a whole number from 0 on, from JSON or from a header; None for anything else."""
    # The text is a stranger's, and Python refuses to read a number with thousands of digits.
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value.strip()[:18])
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value
