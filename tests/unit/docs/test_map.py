"""The map of the architecture is short and whole, and each of its changes has a recipe."""

import re

from tests.support.checkout import CHECKOUT
from tests.support.documents.pages import anchors

MAP = CHECKOUT / "docs" / "architecture.md"
CONTRIBUTING = CHECKOUT / "CONTRIBUTING.md"
LONGEST = 150


def section(heading: str) -> str:
    return MAP.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_the_map_is_read_at_one_sitting() -> None:
    assert len(MAP.read_text().splitlines()) <= LONGEST


def test_every_package_is_on_the_map() -> None:
    packages = {file.parent.name for file in (CHECKOUT / "runtime").glob("*/__init__.py")}
    on_the_map = set(re.findall(r"`runtime/(\w+)/`", section("The packages")))
    assert packages == on_the_map


def test_every_actor_is_on_the_map() -> None:
    found = {
        file.relative_to(CHECKOUT).as_posix()
        for file in (CHECKOUT / "actors").glob("*.py")
        if re.search(r"^class \w+\(BaseActor\)", file.read_text(), re.MULTILINE)
    }
    assert found <= set(re.findall(r"`(actors/\w+\.py)`", section("The picture")))


def test_every_typical_change_has_a_recipe() -> None:
    rows = re.findall(
        r"^\| ([a-z][^|`]*) \| .*`.*\|$", section("Where a change begins"), re.MULTILINE
    )
    recipes = anchors(CONTRIBUTING)
    assert len(rows) == 5
    assert [row for row in rows if row.lower().replace(" ", "-") not in recipes] == []
