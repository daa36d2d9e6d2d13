"""The fields of a listing's form, and the values that Etsy takes in each."""

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from plugins.etsy.sandbox.errors import refused
from plugins.etsy.sandbox.request_reader import array, flag, integer
from plugins.etsy.sandbox.state import EtsyState

MAX_TITLE = 140
MAX_TAGS = 13
MAX_TAG = 20
MAX_QUANTITY = 999
WHO_MADE = ("i_did", "someone_else", "collective")
WHEN_MADE = (
    "made_to_order", "2020_2026", "2010_2019", "2007_2009", "before_2007", "2000_2006", "1990s",
    "1980s", "1970s", "1960s", "1950s", "1940s", "1930s", "1920s", "1910s", "1900s", "1800s",
    "1700s", "before_1700",
)  # fmt: skip
TYPES = ("physical", "download", "both")
REQUIRED = ("quantity", "title", "description", "price", "who_made", "when_made", "taxonomy_id")

# Once a listing exists, price, quantity and readiness state belong to its inventory.
_CREATE_ONLY = {"quantity", "price", "readiness_state_id", "styles", "is_customizable",
                "processing_min", "processing_max"}  # fmt: skip
_UPDATE_ONLY = {"state", "featured_rank"}
_ONCE = re.compile(r"[%:&+]")


def read_form(state: EtsyState, form: dict[str, str], *, creates: bool) -> dict[str, Any]:
    """Return the values of a form, by field.

    Raises:
        Refused: a field is missing, unknown, or has a value that Etsy does not take; each
            missing one is named.
    """
    missing = [name for name in REQUIRED if creates and not form.get(name)]
    if missing:
        raise refused(400, f"Missing required parameter(s): {', '.join(missing)}")
    wrong = _UPDATE_ONLY if creates else _CREATE_ONLY
    for name in form:
        # Etsy's document does not say what becomes of an unknown field. It is refused, the stricter
        # of the two choices: a handler that sends none is right either way.
        if name not in _READERS or name in wrong:
            raise refused(400, f"Unknown parameter: {name}")
    values = {name: _READERS[name](name, text) for name, text in form.items()}
    _check_known(state, values)
    return values


def _check_known(state: EtsyState, values: dict[str, Any]) -> None:
    for name, known in (
        ("taxonomy_id", state.taxonomy),
        ("shipping_profile_id", state.shipping_profiles),
        ("return_policy_id", state.return_policies),
        ("readiness_state_id", state.readiness_states),
    ):
        if values.get(name) is not None and values[name] not in known:
            raise refused(400, f"Invalid {name}: {values[name]}")


def _title(name: str, text: str) -> str:
    if not 0 < len(text) <= MAX_TITLE:
        raise refused(400, f"{name} must have from 1 to {MAX_TITLE} characters")
    if bad := _others(text, ("L", "Nd", "P", "Sm", "Zs"), "™©®"):
        raise refused(400, f"{name} holds characters that are not allowed: {bad}")
    signs = _ONCE.findall(text)
    if len(signs) > len(set(signs)):
        raise refused(400, f"{name}: %, :, & and + can be used once each")
    return text


def _tags(name: str, text: str) -> list[str]:
    tags = array(text)
    if len(tags) > MAX_TAGS:
        raise refused(400, f"{name}: at most {MAX_TAGS}")
    for tag in tags:
        if not 0 < len(tag) <= MAX_TAG or _others(tag, ("L", "Nd", "Zs"), "-'™©®"):
            raise refused(400, f"Invalid tag: {tag!r}")
    return tags


def _words(name: str, text: str) -> list[str]:
    words = array(text)
    for word in words:
        if not word or _others(word, ("L", "Nd", "Zs"), ""):
            raise refused(400, f"Invalid value in {name}: {word!r}")
    return words


def _others(text: str, categories: tuple[str, ...], allowed: str) -> str:
    """Return the characters that are of none of these Unicode categories and not allowed either."""
    return "".join(
        one
        for one in text
        if one not in allowed and not unicodedata.category(one).startswith(categories)
    )


def _description(name: str, text: str) -> str:
    if not text.strip():
        raise refused(400, f"{name} must not be empty")
    return text


def _quantity(name: str, text: str) -> int:
    quantity = integer(name, text)
    if not 0 < quantity <= MAX_QUANTITY:
        raise refused(400, f"{name} must be from 1 to {MAX_QUANTITY}")
    return quantity


def _number(name: str, text: str) -> Decimal | None:
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise refused(400, f"Invalid value for {name}: {text!r} is no number") from None
    if not number.is_finite() or number <= 0:
        raise refused(400, f"{name} must be more than 0")
    return number


def _identifier(name: str, text: str) -> int | None:
    return integer(name, text) if text else None


def _identifiers(name: str, text: str) -> list[int]:
    return [integer(name, value) for value in array(text)]


def _text(_name: str, text: str) -> str:
    return text


def _one_of(*values: str) -> Callable[[str, str], str]:
    def read(name: str, text: str) -> str:
        if text not in values:
            raise refused(400, f"Invalid value for {name}: {text!r}, expected one of {values}")
        return text

    return read


_READERS: dict[str, Callable[[str, str], Any]] = {
    "quantity": _quantity,
    "title": _title,
    "description": _description,
    "price": _number,
    "who_made": _one_of(*WHO_MADE),
    "when_made": _one_of(*WHEN_MADE),
    "taxonomy_id": _identifier,
    "shipping_profile_id": _identifier,
    "return_policy_id": _identifier,
    "readiness_state_id": _identifier,
    "shop_section_id": _identifier,
    "materials": _words,
    "styles": _words,
    "tags": _tags,
    "processing_min": _identifier,
    "processing_max": _identifier,
    "item_weight": _number,
    "item_length": _number,
    "item_width": _number,
    "item_height": _number,
    "item_weight_unit": _one_of("", "oz", "lb", "g", "kg"),
    "item_dimensions_unit": _one_of("", "in", "ft", "mm", "cm", "m", "yd", "inches"),
    "production_partner_ids": _identifiers,
    "image_ids": _identifiers,
    "is_supply": flag,
    "is_customizable": flag,
    "is_personalizable": flag,
    "personalization_is_required": flag,
    "personalization_char_count_max": integer,
    "personalization_instructions": _text,
    "should_auto_renew": flag,
    "is_taxable": flag,
    "type": _one_of(*TYPES),
    "state": _one_of("active", "inactive"),
    "featured_rank": integer,
}
