"""What eBay's error answers say, and what their codes mean. Pure."""

from collections.abc import Sequence
from typing import Any

from runtime import CallFailed
from runtime.answers import Refusal

OFFER_EXISTS = "25002"
"""Of createOffer; elsewhere the same number stands for any mistake of the caller."""
CONCURRENT_ACCESS = "25025"
GONE = frozenset({"25702", "25710", "25713"})
"""No such item, resource or offer, with a status of 400 or of 404.

A 404 without one of them speaks of the address: a proxy that leads nowhere must not make a
seller's listings look sold.
"""

Record = dict[str, Any]


def read_refusal(status: int, body: Any) -> Refusal | None:  # noqa: ARG001 - the interface
    """All errors of an answer, in eBay's words; the code is that of the first.

    Details: ``offerId``, where eBay names the offer that it speaks of.
    """
    errors = _errors(body, "errors")
    if not errors:
        return None
    codes = [str(error.get("errorId")) for error in errors]
    offer_id = next((found for error in errors if (found := _parameter(error, "offerId"))), None)
    return Refusal(
        words="; ".join(_words(error) for error in errors),
        code=codes[0],
        details={} if offer_id is None else {"offerId": offer_id},
        # Another call held the item, and this one was not let in.
        undone=CONCURRENT_ACCESS in codes,
    )


def warnings_in(answer: Any) -> list[str]:
    """What eBay has to say of a call that went well."""
    return [_words(warning) for warning in _errors(answer, "warnings")]


def is_gone(error: CallFailed) -> bool:
    """Whether what was asked for is not there."""
    return error.error_code in GONE


def _errors(body: Any, name: str) -> Sequence[Record]:
    found = body.get(name) if isinstance(body, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _words(error: Record) -> str:
    message = error.get("longMessage") or error.get("message") or "no message"
    given = [
        f"{one.get('name')}={one.get('value')}"
        for one in _errors(error, "parameters")
        if str(one.get("value")) not in str(message)
    ]
    return f"{error.get('errorId')}: {message}" + (f" ({', '.join(given)})" if given else "")


def _parameter(error: Record, name: str) -> str | None:
    for one in _errors(error, "parameters"):
        if one.get("name") == name and isinstance(one.get("value"), str) and one["value"]:
            return str(one["value"])
    return None
