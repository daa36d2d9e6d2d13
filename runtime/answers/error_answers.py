"""What the error answers of a marketplace say, and answers that cannot be understood. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.errors import CallFailed, CallRejected, OutcomeUnknown
from runtime.errors.safe_text import storable
from runtime.values.redaction import redacted

EXCERPT = 500
UNREADABLE = "unreadable_answer"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What one error answer says.

    Attributes:
        words: the marketplace's own, for people.
        code: the marketplace's own, for handlers; becomes the error's ``error_code``.
        details: JSON values beside it that handlers need; become the error's ``details``.
        undone: the call had no effect, though its status (500 and above) leaves that open.
    """

    words: str
    code: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    undone: bool = False


ReadRefusal = Callable[[int, Any], Refusal | None]
"""Takes the status (300 and above) and the JSON body of an answer; None: it says nothing known."""


def refusal_in(read: ReadRefusal | None, status: int, body: bytes) -> Refusal:
    """What an error answer says; its beginning where nobody can read it."""
    unread = Refusal(excerpt(body))
    if read is None:
        return unread
    try:
        found = read(status, json.loads(body))
    except Exception:  # noqa: BLE001 - whatever is wrong with it, its beginning is told
        return unread
    return unread if found is None else found


def unreadable(where: str, answer: Any, reason: str, *, writes: bool) -> CallFailed:
    """The failure of a call whose answer has another shape than the marketplace promises.

    Args:
        where: method and path.
        answer: the JSON value.

    Returns:
        For a write an unknown outcome, because it was answered well.
    """
    text = json.dumps(redacted(answer), ensure_ascii=False, default=str)[:EXCERPT]
    message = f"{where} was answered with something unknown ({reason}): {storable(text)}"
    kind = OutcomeUnknown if writes else CallRejected
    return kind(message, error_code=UNREADABLE, writes=writes)


def excerpt(body: bytes) -> str:
    """The first characters of an answer, without secrets."""
    # Redacted before it is cut: of half a secret nobody could tell that it is one.
    text = body[: 4 * EXCERPT].decode(errors="replace")
    return storable(str(redacted(text))[:EXCERPT])
