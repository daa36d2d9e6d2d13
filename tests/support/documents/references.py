"""References to files, modules and tests of this project, found in text and looked up.

Nothing is imported: a name is there if the file is there and defines it at its top level.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.checkout import CHECKOUT

_ROOTS = "runtime|actors|plugins|migrations|tests|docs|benchmarks|clients"
# A path has a suffix, or ends with a slash; a test of it may follow.
_PATH = re.compile(
    rf"(?<![\w/.-])((?:{_ROOTS})/(?:[\w.-]+/)*(?:[\w-]+\.(?:py|md|toml|mjs|ts|js|json|mako))?)"
    r"((?:::\w+)*)(?![\w/*{<])"
)
_DOTTED = re.compile(r"(?<![\w/.@:\"-])((?:runtime|actors|plugins|tests)(?:\.[A-Za-z_]\w*)+)")
_FILE = re.compile(r"(?<![\w/.*-])([a-z_]\w*\.py)\b")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_IDENTIFIER = re.compile(r"`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\(\))?`")
_SUFFIXES = {"py", "md", "toml", "json", "db"}


def references(text: str) -> Iterator[str]:
    """Every path, test and dotted name of this project in a text."""
    for path, test in _PATH.findall(text):
        yield path + test
    for dotted in _DOTTED.findall(text):
        if dotted.rsplit(".", 1)[1] not in _SUFFIXES:
            yield dotted


def file_names(text: str) -> Iterator[str]:
    """Every name of a Python file that stands without its directory."""
    yield from _FILE.findall(text)


def identifiers(page: str) -> set[str]:
    """Every name that a page sets in backticks, and each part of one with dots."""
    found = _IDENTIFIER.findall(_FENCE.sub("", page))
    return {part for name in found for part in name.split(".")}


def prose(source: str) -> str:
    """The comments and the strings of Python source, without its code."""
    kinds = {tokenize.COMMENT, tokenize.STRING}
    if hasattr(tokenize, "FSTRING_MIDDLE"):
        kinds.add(tokenize.FSTRING_MIDDLE)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return "\n".join(one.string for one in tokens if one.type in kinds)


def exists(reference: str) -> bool:
    """Whether what the reference names is in this checkout."""
    if "/" in reference:
        path, *names = reference.split("::")
        file = CHECKOUT / path
        if path.endswith("/") or not names:
            return file.is_dir() if path.endswith("/") else file.is_file()
        return file.is_file() and _defines(file, names)
    return _is_module(reference.split("."))


@cache
def known_file_names() -> frozenset[str]:
    """The names of all Python files of this checkout's packages, and of those beside them."""
    roots = (CHECKOUT / name for name in _ROOTS.split("|") if name != "clients")
    files = [file for root in roots for file in root.rglob("*.py")]
    return frozenset(file.name for file in [*files, *CHECKOUT.glob("*.py")])


def _is_module(parts: list[str]) -> bool:
    """Whether the parts lead to a module or a package, or to a name that it defines."""
    for known in range(len(parts), 0, -1):
        place, rest = CHECKOUT.joinpath(*parts[:known]), parts[known : known + 1]
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return _defines(file, rest)
        if place.is_dir():
            return not rest
    return False


def _defines(file: Path, names: list[str]) -> bool:
    """Whether the file defines the names, each within the name before it."""
    known: dict[str, object] = _definitions(file)
    for name in names:
        if name not in known:
            return False
        inner = known[name]
        known = inner if isinstance(inner, dict) else {}
    return True


@cache
def _definitions(file: Path) -> dict[str, object]:
    return _names(ast.parse(file.read_text()).body)


def _names(body: list[ast.stmt]) -> dict[str, object]:
    found: dict[str, object] = {}
    for node in body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = _names(node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = None
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= dict.fromkeys(one.asname or one.name for one in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= dict.fromkeys(one.id for one in targets if isinstance(one, ast.Name))
        elif isinstance(node, ast.If):
            found |= _names(node.body) | _names(node.orelse)
    return found
