"""Each record of a decision says four things, and the test or contract that it names exists."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.documents.references import exists, references

PARTS = ["We", "Because", "Instead of", "Held by"]
# A list without records.
LISTS = {"index.md"}
PYPROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
CONTRACTS = {contract["name"] for contract in PYPROJECT["tool"]["importlinter"]["contracts"]}


def records() -> list[tuple[str, str]]:
    """Page and text of every record."""
    found = []
    for page in sorted((CHECKOUT / "docs" / "decisions").glob("*.md")):
        if page.name not in LISTS:
            _, *sections = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)
            found += [(page.name, section) for section in sections]
    return found


def test_there_are_records() -> None:
    assert len(records()) >= 90


@pytest.mark.parametrize(
    ("page", "record"), records(), ids=lambda text: Path(text.splitlines()[0]).name[:60]
)
def test_a_record_says_four_things_and_names_what_holds_it(page: str, record: str) -> None:
    assert re.findall(r"^- \*\*(.+?)\*\*", record, flags=re.MULTILINE) == PARTS, page
    held_by = re.sub(r"\s+", " ", record.partition("- **Held by**")[2])
    tests = [one for one in references(held_by) if one.startswith("tests/")]
    contracts = re.findall(r'"([^"]+)"', held_by) if "`pyproject.toml`" in held_by else []
    assert contracts or any("::" in one for one in tests), "neither a test nor a contract is named"
    assert [one for one in tests if not exists(one)] == []
    assert set(contracts) <= CONTRACTS


def test_every_dependency_has_a_reason() -> None:
    project = PYPROJECT["project"]
    declared = chain(project["dependencies"], *project["optional-dependencies"].values())
    names = {re.split(r"[\[<>=]", one)[0] for one in declared} - {project["name"]}
    page = (CHECKOUT / "docs" / "decisions" / "dependencies.md").read_text()
    reasons = set(re.findall(r"[\w-]+", page))
    assert names - reasons == set()
