"""The public face: what it exports is documented, speaks of itself alone, and loads lightly."""

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from sqlalchemy.orm import DeclarativeBase

from runtime import Marketplace
from tests.support.checkout import CHECKOUT
from tests.support.documents.pages import pages

PAGE = (CHECKOUT / "docs" / "public_api.md").read_text()
SECTION = re.compile(r"^## `(runtime[a-z._]*)`\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(\w+)` \| [^|]+ \|$", re.MULTILINE)
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTED = {name: ROW.findall(text) for name, text in SECTION.findall(PAGE)}
MODULES = [import_module(name) for name in DOCUMENTED]
PUBLIC = {id(getattr(module, name)) for module in MODULES for name in module.__all__}

NOT_PROMISED = {
    "BaseJobHandler.gather": "its group is awaited, never named",
    "Job": "its journal is read by the runtime",
    "Marketplace.lanes": "asked by the runtime itself",
    "Marketplace.settle": "called by the runtime itself",
    "MarketplaceJobProcessor.__init__": "registry and make_driver are given by the project's tests",
    "Database.__init__": "open_database makes it",
}
"""Callables that name private types in their signatures."""


def test_the_page_lists_the_modules_that_the_built_in_plugins_may_import() -> None:
    rules = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (rule,) = (one for one in rules["contracts"] if one.get("forbidden_modules") == ["runtime.*"])
    allowed = {arrow.removeprefix("plugins.** -> ") for arrow in rule["ignore_imports"]}
    assert set(DOCUMENTED) == {"runtime", *allowed}


@pytest.mark.parametrize("module", MODULES, ids=lambda one: one.__name__)
def test_the_page_lists_what_the_module_exports(module: ModuleType) -> None:
    listed = DOCUMENTED[module.__name__]
    assert sorted(listed) == sorted(module.__all__)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("module", MODULES, ids=lambda one: one.__name__)
def test_every_exported_class_and_function_has_a_docstring(module: ModuleType) -> None:
    named = {name: getattr(module, name) for name in module.__all__}
    bare = [
        name
        for name, one in named.items()
        if (inspect.isclass(one) or inspect.isfunction(one)) and not inspect.getdoc(one)
    ]
    assert bare == []


def private_types(hint: Any) -> Iterator[type]:
    """The types in a hint that are this project's own, and that nothing public is a base of."""
    for part in get_args(hint):
        yield from private_types(part)
    kind = get_origin(hint) or hint
    if isinstance(hint, list):
        for part in hint:
            yield from private_types(part)
    is_ours = inspect.isclass(kind) and kind.__module__.split(".")[0] in {"runtime", "actors"}
    if is_ours and not any(id(base) in PUBLIC for base in kind.__mro__):
        yield kind


def callables(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The exported functions, and the public methods of the exported classes."""
    for name in module.__all__:
        one = getattr(module, name)
        if inspect.isfunction(one):
            yield name, one
        elif inspect.isclass(one) and not issubclass(one, DeclarativeBase):
            yield name, one
            for key, member in vars(one).items():
                function = member.fget if isinstance(member, property) else member
                if inspect.isfunction(function) and (key[0] != "_" or key == "__init__"):
                    yield f"{name}.{key}", function


@pytest.mark.parametrize("module", MODULES, ids=lambda one: one.__name__)
def test_what_is_exported_speaks_of_nothing_private(module: ModuleType) -> None:
    # A protocol names the record for type checkers alone.
    hints = partial(get_type_hints, localns={"Marketplace": Marketplace})
    found = {
        f"{name} names {kind.__name__}"
        for name, one in callables(module)
        if name not in NOT_PROMISED and name.removesuffix(".__init__") not in NOT_PROMISED
        for hint in hints(one).values()
        for kind in private_types(hint)
    }
    assert found == set()


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_examples_of_a_page_import_public_names_alone(page: Path) -> None:
    private = {
        f"{node.module}.{one.name}"
        for example in EXAMPLE.findall(page.read_text())
        for node in ast.walk(ast.parse(example))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "runtime"
        for one in node.names
        if one.name not in DOCUMENTED.get(node.module or "", [])
    }
    assert private == set()
