"""Reads what all requests have in common: content type, language, typed JSON, pages."""

import re
from typing import Any
from urllib.parse import urlencode

from plugins.ebay.sandbox.errors import refused
from plugins.ebay.sandbox.state import Record
from runtime.sandbox import Request, Unreadable

_LANGUAGE = re.compile(r"[a-z]{2}-[A-Z]{2}")
_SKU = re.compile(r"[\w.\-]{1,50}", re.ASCII)


def body_of(request: Request) -> Record:
    """Return the JSON object that a request carries.

    Raises:
        Refused: another content type, not JSON, or not an object.
    """
    if request.content_type != "application/json":
        raise refused(415, 2004, "The Content-Type header must be application/json")
    try:
        body = request.json()
    except Unreadable as error:
        raise refused(400, 2004, str(error)) from error
    if not isinstance(body, dict):
        raise refused(400, 2004, "The body must be an object")
    return body


def language_of(request: Request) -> str:
    """Return the Content-Language, such as ``fr-FR``.

    Raises:
        Refused: it is missing, or has another form.
    """
    # eBay's document requires the header, although it stands for texts that may be absent.
    language = request.headers.get("content-language", "")
    if not _LANGUAGE.fullmatch(language):
        raise refused(400, 25709, "header Content-Language", fieldName="Content-Language")
    return language


def checked_sku(value: object) -> str:
    """Return a SKU that eBay takes: at most 50 letters, digits, ``-``, ``_`` and ``.``."""
    if not isinstance(value, str) or not _SKU.fullmatch(value):
        raise refused(400, 25707, sku=str(value))
    return value


def typed(record: Record, path: str, kind: type, error_id: int = 25709) -> Any:
    """Return the value at a dotted path; None if it is missing.

    Raises:
        Refused: it is of another type, such as a price that is a number and not a string.
    """
    value: Any = record
    for name in path.split("."):
        if value is None:
            return None
        if not isinstance(value, dict):
            raise refused(400, 2004, f"Could not serialize field [{path}]", fieldName=path)
        value = value.get(name)
    if value is None:
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        code = error_id if error_id != 25709 else 2004
        raise refused(400, code, f"Could not serialize field [{path}]", fieldName=path)
    return value


def page_of(
    request: Request, base: str, rows: list[Record], name: str, *, largest: int, usual: int
) -> Record:
    """Return the page that ``limit`` and ``offset`` (a number of pages) ask for.

    Returns:
        ``{href, limit, next?, prev?, size, total, <name>: rows}``; ``next`` is absolute.

    Raises:
        Refused: they are no numbers that eBay takes.
    """
    query = dict(request.query_pairs())
    limit = _number(query.get("limit", str(usual)), 1, largest)
    offset = _number(query.get("offset", "0"), 0, 1_000_000)
    # The offset of items and offers counts pages, that of orders counts orders: a client that
    # computes it is wrong with one of them, and has to follow next instead.
    page = rows[offset * limit : (offset + 1) * limit]

    def link(number: int) -> str:
        return f"{base}?{urlencode({**query, 'limit': limit, 'offset': number})}"

    answer = {
        "href": link(offset), "limit": limit, "size": len(page), "total": len(rows), name: page
    }  # fmt: skip
    if (offset + 1) * limit < len(rows):
        answer["next"] = link(offset + 1)
    if offset:
        answer["prev"] = link(offset - 1)
    return answer


def _number(text: str, least: int, most: int) -> int:
    # isdigit() takes superscripts, too, which int() refuses.
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise refused(400, 25706, f"{text!r} must be from {least} to {most}")
    return int(text)
