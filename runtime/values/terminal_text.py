"""Makes text of unknown origin harmless for the terminal that shows it. Pure."""

import json
from typing import Any

DELETE = "\x7f"


def escaped(text: str, kept: str = "") -> str:
    """Return the text with an escape in hexadecimal for each character that is not printed.

    Args:
        kept: characters that stay although a terminal acts on them, such as line breaks.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in kept else one.encode("unicode_escape").decode()
        for one in text
    )


def ascii_json(value: Any, **options: Any) -> str:
    """Return JSON in printable ASCII; the options are those of ``json.dumps``.

    Raises:
        TypeError, ValueError: the value is no JSON.
    """
    # JSON's own escapes leave this one control character as it is.
    return json.dumps(value, **options).replace(DELETE, "\\u007f")
