"""The pages of the documentation, their headings and their links."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.checkout import CHECKOUT

_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`]*`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


def pages() -> list[Path]:
    """Every Markdown page of this checkout."""
    below = [CHECKOUT / name for name in ("docs", "changelog.d", ".github")]
    return sorted(
        [
            *CHECKOUT.glob("*.md"),
            *(page for directory in below for page in directory.rglob("*.md")),
            *(CHECKOUT / "clients" / "browser").glob("*.md"),
        ]
    )


def links(page: Path) -> Iterator[str]:
    """The targets of its links that lead to a file of this checkout, or to a heading."""
    for target in _LINK.findall(_CODE.sub("", _FENCE.sub("", page.read_text()))):
        if "://" not in target and not target.startswith("mailto:"):
            yield target


def anchors(page: Path) -> set[str]:
    """The names by which links reach its headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text())):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 0
        while (name := slug if not number else f"{slug}-{number}") in found:
            number += 1
        found.add(name)
    return found
