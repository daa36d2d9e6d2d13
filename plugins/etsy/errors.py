"""Reads Etsy's error answers, which come in three shapes. Pure."""

from typing import Any

from runtime import CallRejected
from runtime.answers import Refusal

NOT_FOUND = "not_found"
"""The code of the answer that a thing is not there: a 404 in Etsy's own shape.

A 404 in any other shape speaks of the address: a proxy that leads nowhere must not make a
seller's listings look sold.
"""


def is_gone(error: CallRejected) -> bool:
    """Return whether the thing that was asked for is not there."""
    return error.error_code == NOT_FOUND


def read_refusal(status: int, body: Any) -> Refusal | None:
    """Read ``{error}``, ``{error, error_description}`` or ``[{path, type, message}]``.

    The code is the ``error`` of the second shape, and the first ``type`` of the third; None is
    returned for any other body.
    """
    if isinstance(body, list):
        return _listed(body)
    if not isinstance(body, dict) or not isinstance(body.get("error"), str):
        return None
    error, description = body["error"], body.get("error_description")
    if isinstance(description, str):
        return Refusal(f"{error}: {description}", code=error)
    # In this shape ``error`` is a sentence for people. It may be worded anew at any time, so it is
    # no code that a handler could compare.
    return Refusal(error, code=NOT_FOUND if status == 404 else None)


def _listed(complaints: list[Any]) -> Refusal | None:
    told = [one for one in complaints if isinstance(one, dict) and one.get("message")]
    if not told:
        return None
    words = "; ".join(f"{one.get('path') or 'the body'}: {one['message']}" for one in told)
    kind = told[0].get("type")
    return Refusal(words, code=kind if isinstance(kind, str) else None)
