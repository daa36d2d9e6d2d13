"""Reads and checks the settings of shops, which each marketplace declares. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from runtime.errors import InputError
from runtime.marketplaces.record import Marketplace, ShopSetting
from runtime.values.json_values import checked_json

FOLLOW_SALES = "follow_sales"
EVERYWHERE = {
    FOLLOW_SALES: ShopSetting(
        "yes: what is sold in another shop is updated or deleted here", pattern="yes|no"
    )
}
"""The settings that shops of all marketplaces have."""


def parsed_settings(marketplace: Marketplace, assignments: Iterable[str]) -> dict[str, Any]:
    """Read ``name=value`` pairs; an empty value removes a setting (None).

    Raises:
        InputError: a pair cannot be used; the message names all such pairs at once.
    """
    known = {**marketplace.shop_settings, **EVERYWHERE}
    found: dict[str, Any] = {}
    problems: list[str] = []
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        try:
            if not equals:
                raise InputError(f"{assignment!r} is no name=value")
            if name not in known:
                raise InputError(f"{name!r} is no setting of {marketplace.name}")
            found[name] = _value(name, known[name], text) if text else None
        # All mistakes are collected, so that a line with three of them is mended once.
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError(f"{'; '.join(problems)}. {_known(known)}")
    return found


def changed_settings(former: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings after the changes."""
    merged = {**former, **changes}
    # None marks a setting that is removed; it is not stored.
    return {name: value for name, value in merged.items() if value is not None}


def _value(name: str, setting: ShopSetting, text: str) -> Any:
    example = f", such as {setting.example}" if setting.example else ""
    if setting.is_json:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError(f"{name} must be JSON{example}, not {text!r}") from None
        if not _is_of_the_kind(value, setting.example):
            raise InputError(f"{name} must be of the kind of {setting.example}, not {text!r}")
        return checked_json(value, name)
    if setting.pattern is not None and not re.fullmatch(setting.pattern, text):
        raise InputError(f"{name} cannot be {text!r}: it is {setting.description}{example}")
    return checked_json(text, name)


def _is_of_the_kind(value: Any, example: str | None) -> bool:
    """Return whether both are objects, or both lists, and so on."""
    try:
        return example is None or type(value) is type(json.loads(example))
    except ValueError:  # an example in words
        return True


def _known(known: Mapping[str, ShopSetting]) -> str:
    return "Known: " + ", ".join(f"{name} ({one.description})" for name, one in known.items())
