"""Removes secrets from values that are logged, stored or shown."""

import re
from typing import Any

REDACTED = "[redacted]"
TOO_DEEP = "[nested too deeply]"

_SECRET_NAME = re.compile(
    r"token|secret|password|passwd|authorization|api[-_]?key|credential|cookie", re.IGNORECASE
)
# The text may be a stranger's, so that searching it must not cost more than its length: each
# alternative begins at the beginning of a word or behind a fixed mark, and takes back nothing that
# it has read ("++", "(?>").
_WORD = r"(?<![\w-])"
_SECRET_WORD = rf"{_WORD}(?=(?>[\w-]*?(?i:{_SECRET_NAME.pattern})))[\w-]++"
_SECRET_TEXT = re.compile(
    rf"(?P<jwt>{_WORD}(?>[\w-]*?eyJ)[\w-]++\.eyJ[\w-]++\.[\w-]*+)"
    r"|(?P<header>(?:(?<=[Bb]earer )|(?<=Basic ))[\w.~+/=-]++)"
    r"|(?P<password>(?<=://)[^\s:/@]*+:[^\s@/]++(?=@))"
    # name=value as in a query, a form or a DSN; "name": "value" as in JSON and in a dict's repr
    rf"|(?P<field>{_SECRET_WORD}=)[^\s\"'&,;]++"
    rf"|(?P<key>{_SECRET_WORD}[\"']:\s*+b?[\"'])[^\"']++"
)


def is_secret_name(name: str) -> bool:
    """Return whether a field, header or parameter of that name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def redacted(value: Any, name: str = "") -> Any:
    """Return the value without the parts that are named like a secret or look like one.

    Args:
        name: the key under which the value stands, if there is one.

    Returns:
        A copy of it; ``TOO_DEEP`` alone, if Python cannot follow how deep the value is nested.
    """
    try:
        return _redacted(value, name)
    except RecursionError:
        # A stranger's answer may be nested so deep. An error here would hide what is told of it,
        # such as that the outcome of a write is unknown.
        return TOO_DEEP


def _redacted(value: Any, name: str = "") -> Any:
    # None stays, because it tells that a secret is not set.
    if is_secret_name(name) and value is not None:
        return REDACTED
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {key: _redacted(part, str(key)) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(part) for part in value]
    # Errors, calls and other objects become text in the log sooner or later, so that their text
    # is searched for secrets.
    return _SECRET_TEXT.sub(_blackened, str(value))


def _blackened(found: re.Match[str]) -> str:
    if found["jwt"]:
        # A token may stand in the middle of a word, such as behind the escape of a space.
        return found["jwt"].partition("eyJ")[0] + REDACTED
    return (found["field"] or found["key"] or "") + REDACTED
