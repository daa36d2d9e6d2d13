"""Reads what all requests have in common: forms without repeated keys, ids, pages."""

from collections.abc import Iterable

from plugins.etsy.sandbox.errors import refused
from plugins.etsy.sandbox.state import Record
from runtime.sandbox import Call, Request

FORM = "application/x-www-form-urlencoded"
MAX_LIMIT = 100
USUAL_LIMIT = 25


def form_of(request: Request) -> dict[str, str]:
    """Return the form that a request carries.

    Raises:
        Refused: another content type, or a key that comes twice (an array is one value, with
            commas).
    """
    if request.content_type != FORM:
        raise refused(400, f"Expected Content-Type {FORM}, got {request.content_type!r}")
    return single(request.form_pairs())


def query_of(request: Request) -> dict[str, str]:
    """Return the query; a key that comes twice is refused."""
    return single(request.query_pairs())


def single(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the values by their names, if no name comes twice or ends in brackets.

    Raises:
        Refused: one does.
    """
    values: dict[str, str] = {}
    for name, value in pairs:
        # Many libraries send an array as repeated keys or with brackets; Etsy's document knows one
        # text with commas, and says nothing of the others. Refusing them is the stricter choice.
        if name in values or name.endswith("]"):
            raise refused(400, f"{name}: an array is sent as one value with commas")
        values[name] = value
    return values


def integer(name: str, text: str) -> int:
    """Return a number in a form or query.

    Raises:
        Refused: the text is something else.
    """
    # isdigit() takes superscripts, too, which int() refuses.
    if not text.isascii() or not text.removeprefix("-").isdigit():
        raise refused(400, f"Invalid value for {name}: expected integer, got {text!r}")
    return int(text)


def identifier(call: Call, name: str) -> int:
    """Return an id in a path.

    Raises:
        Refused: it is no positive number.
    """
    text = call.path[name]
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise refused(400, f"Invalid value for {name}: expected a positive integer")
    return int(text)


def flag(name: str, text: str) -> bool:
    """Return a boolean in a form or query.

    Raises:
        Refused: the text is something else.
    """
    try:
        return {"true": True, "1": True, "false": False, "0": False}[text]
    except KeyError:
        raise refused(400, f"Invalid value for {name}: expected boolean, got {text!r}") from None


def array(text: str) -> list[str]:
    """Return the values of an array in a form or query."""
    return [value.strip() for value in text.split(",")] if text else []


def page_of(query: dict[str, str], rows: list[Record]) -> Record:
    """Return ``{count, results}``: the number of rows, and the page of ``limit`` and ``offset``.

    Raises:
        Refused: they are no numbers that Etsy takes.
    """
    limit = integer("limit", query.get("limit", f"{USUAL_LIMIT}"))
    offset = integer("offset", query.get("offset", "0"))
    if not 1 <= limit <= MAX_LIMIT or offset < 0:
        raise refused(400, f"limit must be from 1 to {MAX_LIMIT}, and offset at least 0")
    return {"count": len(rows), "results": rows[offset : offset + limit]}
