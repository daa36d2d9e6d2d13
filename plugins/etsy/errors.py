"""What Etsy's error answers say, in the three shapes that it has for them. Pure."""

from typing import Any

from runtime import CallRejected
from runtime.answers import Refusal

NOT_FOUND = "not_found"
"""What was asked for is not there: a 404 in Etsy's own shape.

One in any other speaks of the address: a proxy that leads nowhere must not make a seller's
listings look sold.
"""


def is_gone(error: CallRejected) -> bool:
    """Return whether the thing that was asked for is not there."""
    return error.error_code == NOT_FOUND


def read_refusal(status: int, body: Any) -> Refusal | None:
    """``{error}``, ``{error, error_description}`` or ``[{path, type, message}]``.

    Of the second the ``error`` becomes the code, of the third the ``type`` of the first.
    """
    if isinstance(body, list):
        return _listed(body)
    if not isinstance(body, dict) or not isinstance(body.get("error"), str):
        return None
    error, description = body["error"], body.get("error_description")
    if isinstance(description, str):
        return Refusal(f"{error}: {description}", code=error)
    return Refusal(error, code=NOT_FOUND if status == 404 else None)


def _listed(complaints: list[Any]) -> Refusal | None:
    told = [one for one in complaints if isinstance(one, dict) and one.get("message")]
    if not told:
        return None
    words = "; ".join(f"{one.get('path') or 'the body'}: {one['message']}" for one in told)
    kind = told[0].get("type")
    return Refusal(words, code=kind if isinstance(kind, str) else None)
