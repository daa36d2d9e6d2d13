"""Checks the record of a marketplace as a form is checked, before anything relies on it. Pure."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from runtime.answers.limit_signals import LimitHeaders, LimitInquiry
from runtime.errors.safe_text import safe_repr
from runtime.marketplaces.record import (
    ActionType,
    Identification,
    Marketplace,
    OAuth2,
    ShopSetting,
)
from runtime.rate_limits import Budgets
from runtime.runs.account_trouble import AccountWords

# The columns of ``public.marketplace_action_types`` hold no more than these.
PRIORITIES = range(1, 5)
LONGEST_CODE = 50
LONGEST_NAME = 100
LARGEST_INTEGER = 2**31 - 1

_CODE = re.compile(r"[a-z][a-z0-9_]{0,49}")
_MILLISECOND = timedelta(milliseconds=1)


def faults_of(record: Marketplace) -> list[str]:
    """Return what is wrong with a record, each fault with the value and the way out."""
    return [*_wrong_fields(record), *_wrong_action_types(record.action_types)]


def _wrong_fields(record: Marketplace) -> Iterator[str]:
    for name, is_right, wanted in _FIELDS:
        value = getattr(record, name)
        if not is_right(value):
            yield f"{name} must be {wanted}, not {safe_repr(value)}"


def _wrong_action_types(given: object) -> Iterator[str]:
    if not _tuple_of(ActionType)(given):
        yield f"action_types must be a tuple of ActionType, not {safe_repr(given)}"
        return
    seen: set[str] = set()
    for one in given:  # type: ignore[attr-defined]
        for name, is_right, wanted in _ACTION_FIELDS:
            value = getattr(one, name)
            if not is_right(value):
                yield (
                    f"{name} of the action type {safe_repr(one.code)} must be {wanted}, "
                    f"not {safe_repr(value)}"
                )
        if isinstance(one.code, str) and one.code in seen:
            yield f"the action type {one.code!r} is given twice: keep one of them"
        elif isinstance(one.code, str):
            seen.add(one.code)


Check = Callable[[Any], bool]


def _is(kind: type | tuple[type, ...], *, optional: bool = False) -> Check:
    return lambda value: isinstance(value, kind) or (optional and value is None)


def _function(value: object) -> bool:
    return value is None or callable(value)


def _tuple_of(kind: type) -> Check:
    return lambda value: isinstance(value, tuple) and all(isinstance(one, kind) for one in value)


def _mapping_to(kind: type) -> Check:
    return lambda value: (
        isinstance(value, Mapping)
        and all(isinstance(key, str) and isinstance(one, kind) for key, one in value.items())
    )


def _whole(allowed: Collection[int]) -> Check:
    return lambda value: type(value) is int and value in allowed


def _text(longest: int) -> Check:
    return lambda value: isinstance(value, str) and 0 < len(value) <= longest


def _lasts(shortest: timedelta, unit: timedelta) -> Check:
    return lambda value: (
        isinstance(value, timedelta) and shortest <= value <= LARGEST_INTEGER * unit
    )


def _address(value: object) -> bool:
    if value is None:
        return True
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        return parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


_COUNT = range(1, LARGEST_INTEGER)
_FIELDS: tuple[tuple[str, Check, str], ...] = (
    ("browser_bound", _is(bool), "True or False"),
    ("base_url", _address, "an http(s) URL or None"),
    ("default_headers", _mapping_to(str), "a mapping of texts to texts"),
    ("concurrency", _whole(_COUNT), "a whole number of at least 1"),
    ("lane_concurrency", _whole(_COUNT), "a whole number of at least 1"),
    ("lane_calls", _whole(_COUNT), "a whole number of at least 1"),
    ("budgets", _is(Budgets), "Budgets(...)"),
    ("limit_headers", _tuple_of(LimitHeaders), "a tuple of LimitHeaders"),
    ("account_words", _is(AccountWords), "AccountWords(...)"),
    ("read_answer", _function, "a function or None"),
    ("read_refusal", _function, "a function or None"),
    ("limit_inquiry", _is(LimitInquiry, optional=True), "a LimitInquiry or None"),
    ("auth", _is(OAuth2, optional=True), "an OAuth2 or None"),
    ("identification", _is(Identification, optional=True), "an Identification or None"),
    ("shop_settings", _mapping_to(ShopSetting), "a mapping of names to ShopSetting"),
    ("sandbox", _function, "a function or None"),
)
_ACTION_FIELDS: tuple[tuple[str, Check, str], ...] = (
    (
        "code",
        lambda value: isinstance(value, str) and _CODE.fullmatch(value) is not None,
        f"lower-case letters, digits and underscores, {LONGEST_CODE} at most",
    ),
    ("name", _text(LONGEST_NAME), f"a text of 1 to {LONGEST_NAME} characters"),
    ("description", _is(str), "a text"),
    ("priority", _whole(PRIORITIES), "a whole number from 1 to 4"),
    ("is_batch", _is(bool), "True or False"),
    ("rate_limit", _lasts(timedelta(0), _MILLISECOND), "a timedelta that is not negative"),
    ("max_retries", _whole(range(LARGEST_INTEGER)), "a whole number of at least 0"),
    ("timeout", _lasts(timedelta(seconds=1), timedelta(seconds=1)), "a timedelta of at least 1 s"),
)
