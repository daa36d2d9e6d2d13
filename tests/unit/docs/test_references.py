"""Neither a page nor the code speaks of a file, a module or a test that does not exist."""

from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.documents.pages import pages
from tests.support.documents.references import exists, prose, references

PACKAGES = ("runtime", "actors", "plugins", "migrations", "tests", "benchmarks")
# These speak of names on purpose that are not there, or not there any more.
EXEMPT = {
    "CHANGELOG.md",
    "runtime/former_paths.py",
    "tests/unit/test_former_paths.py",
    "tests/unit/docs/test_references.py",
}


def files() -> list[str]:
    sources = [file for name in PACKAGES for file in (CHECKOUT / name).rglob("*.py")]
    others = [CHECKOUT / "pyproject.toml", *CHECKOUT.glob("*.py"), CHECKOUT / ".ci" / "run"]
    found = [*pages(), *sources, *others]
    return sorted({file.relative_to(CHECKOUT).as_posix() for file in found} - EXEMPT)


def missing(file: Path) -> list[str]:
    text = file.read_text()
    return sorted(
        {
            one
            for one in references(prose(text) if file.suffix == ".py" else text)
            if not exists(one)
        }
    )


def test_everything_that_is_named_exists() -> None:
    named = {file: missing(CHECKOUT / file) for file in files()}
    assert {file: names for file, names in named.items() if names} == {}


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
