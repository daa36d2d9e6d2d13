"""The runtime and its actors know no marketplace: neither by name, nor by its words and headers."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.handlers.registry import load_registry
from runtime.runs.account_trouble import AccountWords
from tests.support.checkout import CHECKOUT

NAMES = ("depop", "ebay", "etsy", "vinted")
EXAMPLES = "an example for whoever reads the help or the message"
ALLOWED = {
    "runtime/cli/app.py": EXAMPLES,
    "runtime/cli/options.py": EXAMPLES,
    "runtime/cli/commands/shop_connections.py": EXAMPLES,
    "runtime/takeover/shops.py": EXAMPLES,
    "runtime/storage/schema/legacy_action_types.py": (
        "the table that its migration carries over was one marketplace's"
    ),
}
"""Files in which a text names a marketplace, and why it may."""


def _sources() -> list[Path]:
    return sorted(path for top in ("runtime", "actors") for path in (CHECKOUT / top).rglob("*.py"))


def _texts(source: str) -> Iterator[str]:
    """Every text of a module that is no docstring."""
    tree = ast.parse(source)
    documentation = {
        node.value for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node not in documentation:
            yield from [node.value] if isinstance(node.value, str) else []


def _identifiers(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        for field in ("id", "attr", "name", "module", "arg"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                yield value


def _named(words: Iterator[str]) -> list[str]:
    return [word for word in words if any(name in word.lower() for name in NAMES)]


def test_every_marketplace_that_comes_along_is_looked_for() -> None:
    assert set(load_registry().marketplaces) <= set(NAMES)


def test_a_name_in_a_text_is_found_and_one_in_a_docstring_is_an_example() -> None:
    assert _named(_texts('"""On vinted."""\nx = f"to {y} on Vinted"\n"""As on ebay."""')) == [
        " on Vinted"
    ]
    assert _named(_identifiers("from plugins.etsy import x")) == ["plugins.etsy"]


def test_no_code_names_a_marketplace() -> None:
    found = {
        path.relative_to(CHECKOUT).as_posix()
        for path in _sources()
        if _named(_texts(path.read_text(encoding="utf-8")))
    }
    assert found == set(ALLOWED)


def test_no_identifier_names_a_marketplace() -> None:
    named = {
        path.relative_to(CHECKOUT).as_posix(): found
        for path in _sources()
        if (found := _named(_identifiers(path.read_text(encoding="utf-8"))))
    }
    assert named == {}


@pytest.mark.parametrize("marketplace", sorted(load_registry().marketplaces))
def test_no_code_holds_the_headers_and_words_that_a_record_declares(marketplace: str) -> None:
    record, common = load_registry().marketplaces[marketplace], AccountWords()
    own = {
        *(name for one in record.limit_headers for name in (one.limit, one.remaining)),
        *(record.account_words.session_ended - common.session_ended),
        *(set(record.account_words.blocked_codes) - set(common.blocked_codes)),
        *(set(record.account_words.blocked_texts) - set(common.blocked_texts)),
    }
    for path in _sources():
        assert own.isdisjoint(_texts(path.read_text(encoding="utf-8"))), path
