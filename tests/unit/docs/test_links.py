"""No link of a page leads nowhere, and the index leads to every page."""

from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.documents.pages import anchors, links, pages

DOCS = CHECKOUT / "docs"
INDEXES = {DOCS: DOCS / "index.md", DOCS / "decisions": DOCS / "decisions" / "index.md"}


def name_of(page: Path) -> str:
    return page.relative_to(CHECKOUT).as_posix()


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("directory", INDEXES, ids=name_of)
def test_the_index_links_every_page_of_its_directory(directory: Path) -> None:
    index = INDEXES[directory]
    linked = {(directory / link.partition("#")[0]).resolve() for link in links(index)}
    missing = {page.resolve() for page in directory.glob("*.md")} - linked - {index.resolve()}
    assert sorted(map(name_of, missing)) == []


def test_the_readme_leads_to_the_index() -> None:
    assert "docs/index.md" in set(links(CHECKOUT / "README.md"))


def test_the_glossary_stays_short_and_in_order() -> None:
    rows = [line for line in (DOCS / "glossary.md").read_text().splitlines() if line[:3] > "| a"]
    words = [row.split("|")[1].strip() for row in rows][1:]
    assert words == sorted(set(words))
    assert 0 < len(words) <= 40
