"""Checks of JSON from outside: an error names the value that PostgreSQL's jsonb would refuse."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runtime.errors import InvalidJson

MAX_BYTES = 1_000_000
"""The largest JSON document for one column, in bytes of UTF-8."""
DEEPEST = 200
"""The deepest nesting of arrays and objects. Python gives up between some hundred and a thousand
levels, depending on the caller's stack, so that a value that is taken here could fail later."""

_STRINGS_AND_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]')


def checked_json(value: Any, name: str, *, max_bytes: int = MAX_BYTES) -> Any:
    """Return the value as it will come back from the database.

    Raises:
        InvalidJson: see :func:`json_text`.
    """
    # JSON changes values (tuples become lists, keys become texts). A caller that went on with its
    # own value would see another one after a restart.
    text = json_text(value, name, max_bytes=max_bytes)
    with _depth_refused(name):
        return json.loads(text)


def json_text(value: Any, name: str, *, max_bytes: int = MAX_BYTES) -> str:
    r"""Return the value as JSON text that PostgreSQL accepts.

    Raises:
        InvalidJson: the value is no JSON or too large, or holds NaN, infinity, ``\u0000`` or a
            lone surrogate.
    """
    # Without escapes a lone surrogate shows when the text is encoded, and the size counts each
    # character as the bytes that it has in UTF-8.
    with _depth_refused(name):
        try:
            text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        except ValueError as error:
            why = f"{error} (NaN and infinity are not)"
            raise InvalidJson(f"{name} is not valid JSON: {why}") from None
        except TypeError as error:
            raise InvalidJson(f"{name} is not valid JSON: {error}") from None
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidJson(f"{name} contains a lone surrogate, which is no character") from None
    if size > max_bytes:
        raise InvalidJson(f"{name} has {size:,} bytes; at most {max_bytes:,} are accepted")
    # Only a text with so many brackets can be so deep.
    if text.count("[") + text.count("{") > DEEPEST and _depth(text) > DEEPEST:
        raise _too_deep(name)
    with _depth_refused(name):
        # The text may hold an escaped backslash before u0000, which is no NUL; so this only
        # decides whether the costly search is needed.
        has_nul = "\\u0000" in text and _contains_nul(json.loads(text))
    if has_nul:
        raise InvalidJson(f"{name} contains \\u0000, which PostgreSQL cannot store: remove it")
    return text


def parsed_object(text: str, name: str) -> dict[str, Any]:
    """Parse the text of a JSON object.

    Raises:
        InvalidJson: the text is malformed or no object, or :func:`checked_json` refuses it.
    """
    with _depth_refused(name):
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise InvalidJson(f"{name} is not valid JSON: {error.msg} at {where}") from None
        except ValueError as error:  # a number with more digits than Python reads
            raise InvalidJson(f"{name} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidJson(f'{name} must be a JSON object such as {{"page": 1}}')
    checked: dict[str, Any] = checked_json(value, name)
    return checked


@contextmanager
def _depth_refused(name: str) -> Iterator[None]:
    # An InvalidJson is a ValueError, too: within a `try` for these it would be taken for another.
    try:
        yield
    except RecursionError:
        raise _too_deep(name) from None


def _too_deep(name: str) -> InvalidJson:
    return InvalidJson(f"{name} is nested too deeply: at most {DEEPEST} levels are accepted")


def _depth(text: str) -> int:
    """Return how deep a JSON text is nested; without recursion, which would end at some depth."""
    depth = deepest = 0
    for found in _STRINGS_AND_BRACKETS.finditer(text):
        if found[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif found[0] in "]}":
            depth -= 1
    return deepest


def _contains_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_contains_nul(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(_contains_nul(part) for part in value)
    return False


def without_unstorable_text(value: Any) -> Any:
    """Replace in a value what no database stores: NUL, and halves of surrogate pairs.

    It is for answers of marketplaces, where one broken title must not cost the whole answer.
    """
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {
            without_unstorable_text(key): without_unstorable_text(part)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [without_unstorable_text(part) for part in value]
    return value
