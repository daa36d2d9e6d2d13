"""Neither a page nor the code speaks of a file, a module or a test that does not exist."""

import re
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.documents.pages import pages
from tests.support.documents.references import (
    exists,
    file_names,
    identifiers,
    known_file_names,
    prose,
    references,
)

PACKAGES = ("runtime", "actors", "plugins", "migrations", "tests", "benchmarks")
# Headers of HTTP, and the file that a release writes.
NOT_OF_THE_CODE = {"RateLimit", "CHANGELOG", "md"}
# These speak of names on purpose that are not there, or not there any more.
EXEMPT = {
    "runtime/former_paths.py",
    "tests/unit/test_former_paths.py",
    "tests/unit/docs/test_references.py",
}


def files() -> list[str]:
    sources = [file for name in PACKAGES for file in (CHECKOUT / name).rglob("*.py")]
    sources += (CHECKOUT / "migrations").rglob("*.mako")
    others = [CHECKOUT / "pyproject.toml", *CHECKOUT.glob("*.py"), CHECKOUT / ".ci" / "run"]
    found = [*pages(), *sources, *others]
    return sorted({file.relative_to(CHECKOUT).as_posix() for file in found} - EXEMPT)


def text_of(file: Path) -> str:
    text = file.read_text()
    return prose(text) if file.suffix == ".py" else text


def missing(file: Path) -> list[str]:
    return sorted({one for one in references(text_of(file)) if not exists(one)})


def test_everything_that_is_named_exists() -> None:
    named = {file: missing(CHECKOUT / file) for file in files()}
    assert {file: names for file, names in named.items() if names} == {}


def test_every_file_that_is_named_without_its_directory_exists() -> None:
    # Tests write files of names that they make up.
    spoken = [file for file in files() if not file.startswith("tests/")]
    named = {
        file: set(file_names(text_of(CHECKOUT / file))) - known_file_names() for file in spoken
    }
    assert {file: names for file, names in named.items() if names} == {}


def test_every_identifier_that_a_page_for_developers_names_is_in_the_code() -> None:
    sources = [file for name in PACKAGES for file in (CHECKOUT / name).rglob("*.py")]
    words = {word for file in sources for word in re.findall(r"\w+", file.read_text())}
    words |= set(re.findall(r"\w+", (CHECKOUT / "pyproject.toml").read_text()))
    spoken = [CHECKOUT / "CONTRIBUTING.md", CHECKOUT / "docs" / "architecture.md"]
    spoken += [CHECKOUT / "docs" / "glossary.md", *(CHECKOUT / "docs" / "decisions").glob("*.md")]
    named = {page.name: identifiers(page.read_text()) - words - NOT_OF_THE_CODE for page in spoken}
    assert {page: names for page, names in named.items() if names} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see `runtime/runs/steps.py` there", ["runtime/runs/steps.py"]),
        ("`tests/unit/a.py::TestB::test_c`.", ["tests/unit/a.py::TestB::test_c"]),
        ("everything in `docs/decisions/` is", ["docs/decisions/"]),
        ("by :mod:`runtime.runs.steps`.", ["runtime.runs.steps"]),
        ("from example_runtime.ping", []),
        ("https://a.example/docs/x.md", []),
        ("`tests/unit/*.py`", []),
    ],
)
def test_references_are_found(text: str, found: list[str]) -> None:
    assert list(references(text)) == found


@pytest.mark.parametrize(
    "named",
    [
        "runtime/runs/job_states.py",
        "runtime.runs.job_states.TRANSITIONS",
        "runtime.runs.job_states",
        "docs/decisions/",
        "tests/unit/docs/test_references.py::test_references_are_found",
    ],
)
def test_what_is_there_exists(named: str) -> None:
    assert exists(named)


@pytest.mark.parametrize(
    "named",
    [
        "runtime/runs/nowhere.py",
        "runtime.runs.nowhere",
        "runtime.runs.job_states.Nothing",
        "docs/nowhere/",
        "tests/unit/docs/test_references.py::test_nothing",
    ],
)
def test_what_is_not_there_does_not(named: str) -> None:
    assert not exists(named)
