"""No regular expression costs more than its text is long, because a text may be a stranger's."""

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from plugins.ebay.marketplace import SHOP_SETTINGS as EBAY_SETTINGS
from plugins.etsy.marketplace import SHOP_SETTINGS as ETSY_SETTINGS
from plugins.etsy.targets import LISTING_ID as ETSY_ID
from plugins.vinted.targets import LISTING_ID as VINTED_ID
from runtime.values.redaction import redacted
from tests.support.checkout import CHECKOUT

METHODS = ("search", "match", "fullmatch", "split", "sub", "findall", "finditer")
CARRIED = {"pattern", "setting.pattern"}
"""Arguments that bring a pattern from elsewhere: from the plugins, whose patterns are added."""

SHORT = 2_000
GROWTH = 8
MOST_GROWTH = 24
"""A text that has grown eightfold costs eight times as much if the search is linear, and 64 times
if it is quadratic."""
QUICK_SECONDS = 0.002
"""What takes less cannot be told from noise."""

Use = tuple[str, str, re.Pattern[str] | re.Pattern[bytes]]
"""Where a pattern is used, by which method, and the pattern."""


def _calls() -> Iterator[tuple[str, ast.Call, ast.Attribute, dict[str, Any]]]:
    """Every call of a method, with the names of the module it stands in."""
    for top in ("runtime", "actors", "plugins"):
        for path in sorted((CHECKOUT / top).rglob("*.py")):
            name = path.relative_to(CHECKOUT)
            module = ".".join(name.with_suffix("").parts).removesuffix(".__init__")
            names: dict[str, Any] | None = None
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    names = names or vars(importlib.import_module(module))
                    yield f"{name}:{node.lineno}", node, node.func, names


def _uses() -> Iterator[Use]:
    for where, call, function, names in _calls():
        if function.attr not in METHODS or not isinstance(function.value, ast.Name):
            continue
        owner = names.get(function.value.id)
        if isinstance(owner, re.Pattern):
            yield where, function.attr, owner
        elif owner is re and (argument := call.args[0]) and ast.unparse(argument) not in CARRIED:
            given = eval(compile(ast.Expression(argument), "<pattern>", "eval"), names)
            yield where, function.attr, re.compile(given)
    for setting in (*EBAY_SETTINGS.values(), *ETSY_SETTINGS.values()):
        if setting.pattern is not None:
            yield f"the setting {setting.description}", "fullmatch", re.compile(setting.pattern)
    for pattern in (ETSY_ID, VINTED_ID):
        yield "the id of a listing", "fullmatch", re.compile(pattern)


USES = list(_uses())


def _hostile_pieces(pattern: str) -> list[str]:
    """What a hostile text repeats: pieces that the pattern begins to match, and does not end."""
    words = re.findall(r"[A-Za-z]{2,}", re.sub(r"\\.|\(\?[P<a-z]*|[?:>=!]", " ", pattern))
    marks = ["a", "0", "-", "_", ".", " ", "=", ":", ";", ",", "/", '"', "'", "[", "{", "\n", "€"]
    known = ["://", '":', "a:[", "a:", "1 ", "1;", "eyJ", "eyJa.", "token", "token ", "Bearer "]
    return [*words, *marks, *known, *(f"{word} " for word in words)]


def _growth(search: Callable[[str], object], piece: str) -> tuple[float, float]:
    """Return how much longer an eightfold text takes, and how many seconds that is.

    The processor's time of this thread is measured, which others that run beside do not change.
    """
    short = (piece * SHORT)[:SHORT]
    seconds = []
    for text in (short, short * GROWTH):
        tries = []
        for _ in range(3):
            begun = time.thread_time()
            search(f"{text}\0")
            tries.append(time.thread_time() - begun)
        seconds.append(min(tries))
    return seconds[1] / max(seconds[0], 1e-9), seconds[1]


def _search(method: str, pattern: re.Pattern[Any]) -> Callable[[str], object]:
    def search(text: str) -> object:
        given: Any = text if isinstance(pattern.pattern, str) else text.encode()
        if method == "sub":
            return pattern.sub(lambda found: found[0], given)
        if method == "finditer":
            return list(pattern.finditer(given))
        return getattr(pattern, method)(given)

    return search


def _costs_more_than_its_length(search: Callable[[str], object], pieces: list[str]) -> list[str]:
    found = []
    for piece in pieces:
        growth, seconds = _growth(search, piece)
        if growth > MOST_GROWTH and seconds > QUICK_SECONDS:
            found.append(f"{piece!r}: {growth:.0f} times as long")
    return found


@pytest.mark.parametrize(("where", "method", "pattern"), USES, ids=[use[0] for use in USES])
def test_a_search_costs_no_more_than_its_text_is_long(
    where: str, method: str, pattern: re.Pattern[Any]
) -> None:
    pieces = _hostile_pieces(str(pattern.pattern))
    assert _costs_more_than_its_length(_search(method, pattern), pieces) == [], where


def test_taking_secrets_out_costs_no_more_than_the_text_is_long() -> None:
    pieces = _hostile_pieces("token secret password authorization api-key cookie Basic bearer")
    assert _costs_more_than_its_length(redacted, pieces) == []


def test_a_search_that_is_quadratic_is_found() -> None:
    pattern = re.compile(r"token[\w-]*=")
    assert _costs_more_than_its_length(_search("search", pattern), ["token"]) != []


def test_the_searches_of_the_code_are_found() -> None:
    places = {use[0].partition(":")[0] for use in USES}
    assert {"runtime/values/redaction.py", "plugins/vinted/errors.py"} <= places
