"""A terminal acts on nothing that a stranger wrote."""

import json

import pytest

from runtime.values.terminal_text import ascii_json, escaped

EVIL = "a\x1b]0;x\x07\x1b[2J\x9b1m\x7f\r\u202e\u2028\nb"


def test_every_character_that_a_terminal_acts_on_is_escaped() -> None:
    assert escaped(EVIL) == r"a\x1b]0;x\x07\x1b[2J\x9b1m\x7f\r\u202e\u2028\nb"
    assert escaped(EVIL, kept="\n") == r"a\x1b]0;x\x07\x1b[2J\x9b1m\x7f\r\u202e\u2028" + "\nb"
    assert escaped("\ud800") == r"\ud800"


@pytest.mark.parametrize("text", ["", "Größe «M» 🙂", "a\\x1b"])
def test_what_is_printed_stays(text: str) -> None:
    assert escaped(text) == text


def test_json_is_printable_and_still_says_the_same() -> None:
    shown = ascii_json({EVIL: [EVIL, 1]}, indent=None)
    assert shown.isascii()
    assert shown.isprintable()
    assert json.loads(shown) == {EVIL: [EVIL, 1]}
