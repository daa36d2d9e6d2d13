"""Reads the error answers of a marketplace, and tells of answers that it cannot read. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from runtime.errors import CallFailed, CallRejected, OutcomeUnknown
from runtime.errors.safe_text import storable
from runtime.values.redaction import redacted

# Enough for a person to recognise an error page, and little enough for a row and a log line.
EXCERPT = 500
UNREADABLE = "unreadable_answer"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The content of one error answer.

    Attributes:
        words: the marketplace's own words, for people.
        code: the marketplace's own code, for handlers; it becomes the error's ``error_code``.
        details: further JSON values that handlers need; they become the error's ``details``.
        undone: whether the answer says that the call had no effect, although its status (500 and
            above) leaves that open.
    """

    words: str
    code: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    undone: bool = False


ReadRefusal = Callable[[int, Any], Refusal | None]
"""Takes the status (300 and above) and the JSON body of an answer; returns its content, or None if
the body has no known shape."""


def refusal_in(read: ReadRefusal | None, status: int, body: bytes) -> Refusal:
    """Return the content of an error answer; its words are its beginning if nobody can read it."""
    unread = Refusal(excerpt(body))
    if read is None:
        return unread
    try:
        found = read(status, json.loads(body))
    except Exception:  # noqa: BLE001 - whatever is wrong with it, its beginning is told
        return unread
    # A plugin's reader may return anything, and the status must not be lost with it.
    return found if _is_refusal(found) else unread


def _is_refusal(found: object) -> TypeGuard[Refusal]:
    return (
        isinstance(found, Refusal)
        and isinstance(found.words, str)
        and isinstance(found.code, str | None)
        and isinstance(found.details, Mapping)
    )


def unreadable(where: str, answer: Any, reason: str, *, writes: bool) -> CallFailed:
    """Return the failure of a call whose answer has another shape than the marketplace promises.

    Args:
        where: the method and the path.
        answer: the JSON value.

    Returns:
        For a write an unknown outcome: it was answered well, so it was probably done, and a
        rejection would hide that.
    """
    text = json.dumps(redacted(answer), ensure_ascii=False, default=str)[:EXCERPT]
    message = f"{where} was answered with something unknown ({reason}): {storable(text)}"
    kind = OutcomeUnknown if writes else CallRejected
    return kind(message, error_code=UNREADABLE, writes=writes)


def excerpt(body: bytes) -> str:
    """Return the first characters of an answer, without secrets."""
    # The text is redacted before it is cut, because half a secret cannot be recognised. Only the
    # first part is decoded, because an answer may have megabytes.
    text = body[: 4 * EXCERPT].decode(errors="replace")
    return storable(str(redacted(text))[:EXCERPT])
