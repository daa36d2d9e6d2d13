"""Reads the JSON of packets, in which one number must not cost the whole answer. Pure."""

import json
from typing import Any

LONGEST_INTEGER = 100
"""The digits that an integer may have: reading a longer one costs more than its length."""


class TooLongInteger:
    """Stands for an integer that is not read; whoever takes it for JSON gets an InvalidJson."""


def loads(text: str) -> Any:
    """Read a JSON text; an integer with too many digits becomes a :class:`TooLongInteger`.

    Were such a packet thrown away as a whole, its response would never be acknowledged, and the
    page would send it again and again.

    Raises:
        ValueError: the text is no JSON.
    """
    return json.loads(text, parse_int=_integer)


dumps = json.dumps


def _integer(digits: str) -> int | TooLongInteger:
    return TooLongInteger() if len(digits) > LONGEST_INTEGER else int(digits)
