"""Reads eBay's error answers and the meaning of their codes. Pure."""

from collections.abc import Sequence
from typing import Any

from runtime import CallFailed
from runtime.answers import Refusal

OFFER_EXISTS = "25002"
"""An answer of createOffer; elsewhere this number stands for any mistake of the caller."""
CONCURRENT_ACCESS = "25025"
GONE = frozenset({"25702", "25710", "25713"})
"""There is no such item, resource or offer; the status is 400 or 404.

A 404 without one of these codes says nothing of the item: a proxy that leads nowhere must not make
a seller's listings look sold.
"""

Record = dict[str, Any]


def read_refusal(status: int, body: Any) -> Refusal | None:  # noqa: ARG001 - the interface
    """Return all errors of an answer, in eBay's words; the code is that of the first error.

    The details hold ``offerId``, if eBay names the offer.
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
        # Another call held the item, so this write surely had no effect. It is tried again and need
        # not be looked up, although eBay answers with a 500.
        undone=CONCURRENT_ACCESS in codes,
    )


def warnings_in(answer: Any) -> list[str]:
    """Return the warnings in a good answer, in eBay's words."""
    return [_words(warning) for warning in _errors(answer, "warnings")]


def is_gone(error: CallFailed) -> bool:
    """Return whether eBay says that the item or the offer does not exist."""
    return error.error_code in GONE


def _errors(body: Any, name: str) -> Sequence[Record]:
    found = body.get(name) if isinstance(body, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _words(error: Record) -> str:
    message = error.get("longMessage") or error.get("message") or "no message"
    # Many messages hold the values already, which need not be told twice.
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
