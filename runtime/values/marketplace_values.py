"""Makes the values of marketplaces fit for columns; an error names the wrong value. Pure."""

import re
import reprlib
from decimal import Decimal, InvalidOperation
from typing import Any

from runtime.errors import InputError
from runtime.values.json_values import checked_json

MAX_EXTERNAL_ID = 255
MAX_DATA_BYTES = 64_000
# The columns for money are numeric(12, 2).
MAX_PRICE = Decimal("9999999999.99")
_CENT = Decimal("0.01")
_CURRENCY = re.compile(r"[A-Za-z]{3}")


def checked_data(value: Any, name: str) -> dict[str, Any]:
    """Check the data that a marketplace gives of a thing.

    Raises:
        InputError: the data cannot be stored.
    """
    checked: dict[str, Any] = checked_json(value, name, max_bytes=MAX_DATA_BYTES)
    return checked


def checked_identity(value: object, name: str) -> str:
    """Check a marketplace's own id of a thing, which is a text or an integer.

    Raises:
        InputError: the id is empty, too long, or neither a text nor an integer.
    """
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise InputError(f"{name} must be text or an integer, not {reprlib.repr(value)}")
    text: str = checked_json(str(value), name)
    if len(text) > MAX_EXTERNAL_ID:
        raise InputError(f"{name} may have {MAX_EXTERNAL_ID} characters, not {len(text):,}")
    return text


def checked_words(value: object, name: str) -> str | None:
    """Check a text, or None.

    Raises:
        InputError: the text cannot be stored.
    """
    if value is not None and not isinstance(value, str):
        raise InputError(f"the {name} must be text, not {reprlib.repr(value)}")
    checked: str | None = checked_json(value, f"the {name}", max_bytes=MAX_DATA_BYTES)
    return checked


def checked_price(value: object, name: str) -> str | None:
    """Check an amount of money from 0 on, and give it as text with two decimals; or None.

    Raises:
        InputError: the value is no number, or cannot be stored.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"the {name} must be a number, not {reprlib.repr(value)}")
    try:
        # By way of the text, so that 12.1 does not become a binary fraction.
        price = Decimal(str(value))
        storable = 0 <= price <= MAX_PRICE
    except InvalidOperation:
        raise InputError(f"the {name} {reprlib.repr(value)} is not a number") from None
    if not storable:
        raise InputError(f"the {name} {reprlib.repr(value)} is not between 0 and {MAX_PRICE}")
    return str(price.quantize(_CENT))


def checked_currency(value: object) -> str | None:
    """Check a currency of three letters, or None; gives it in capitals.

    Raises:
        InputError: the value is something else.
    """
    if value is None:
        return None
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise InputError(f"the currency must be three letters, not {reprlib.repr(value)}")
    return value.upper()
