"""Checks texts against Etsy's rules, before anything is sent. Pure."""

import re
import unicodedata
from collections.abc import Sequence

LONGEST_TITLE = 140
LONGEST_TAG = 20
MOST_TAGS = 13
LONGEST_SKU = 32

# These are the rules of Etsy's document: Unicode categories that a text may hold (its regular
# expressions \p{L}, \p{Nd}, …), and signs that a title may hold once each.
_ONCE = "%:&+"
_TITLE = ("L", "Nd", "P", "Sm", "Zs")
_TAG = ("L", "Nd", "Zs")
_MATERIAL = ("L", "Nd", "Zs")
_SIGNS = "™©®"


def title_flaws(title: str) -> list[str]:
    """Return the flaws of a title."""
    if not title:
        return ["title is missing"]
    flaws = []
    if len(title) > LONGEST_TITLE:
        flaws.append(f"title may have {LONGEST_TITLE} characters, and has {len(title)}")
    if others := _others(title, _TITLE, _SIGNS):
        flaws.append(f"title may not hold {others}")
    if again := [sign for sign in _ONCE if title.count(sign) > 1]:
        flaws.append(f"title may hold each of {' '.join(again)} once")
    return flaws


def tag_flaws(tags: Sequence[str]) -> list[str]:
    """Return the flaws of the tags."""
    flaws = []
    if len(tags) > MOST_TAGS:
        flaws.append(f"tags may be {MOST_TAGS} at most, and are {len(tags)}")
    for tag in tags:
        if not tag or len(tag) > LONGEST_TAG:
            flaws.append(f"a tag has from 1 to {LONGEST_TAG} characters, unlike {tag!r}")
        elif others := _others(tag, _TAG, f"-'{_SIGNS}"):
            flaws.append(f"the tag {tag!r} may not hold {others}")
    return flaws


def material_flaws(materials: Sequence[str]) -> list[str]:
    """Return the flaws of the materials."""
    return [
        f"a material is letters, digits and blanks, unlike {one!r}"
        for one in materials
        if not one or _others(one, _MATERIAL, "")
    ]


def words(value: object) -> tuple[str, ...] | None:
    """Read tags or materials from a product: a list, or one text with commas; None if neither."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = [one for one in re.split(r",", value) if one.strip()]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return None
    return tuple(one.strip() for one in value)


def _others(text: str, categories: tuple[str, ...], allowed: str) -> str:
    """Return, for people, the characters that are of no such category and not allowed either."""
    found = dict.fromkeys(
        one
        for one in text
        if one not in allowed and not unicodedata.category(one).startswith(categories)
    )
    # A character that cannot be seen, such as a zero-width space, is named by its code; otherwise
    # the message would show nothing where it stands.
    return " ".join(ascii(one)[1:-1] if not one.isprintable() else one for one in found)
