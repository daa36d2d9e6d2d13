"""JSON at the border: what the database would refuse is refused by name."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidJson
from runtime.values.json_values import DEEPEST, checked_json, parsed_object

DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


def nested(levels: int) -> Any:
    value: Any = {"a [text] with {brackets}": '\\"['}
    for _ in range(levels - 1):
        value = [value]
    return value


LOOP: list[Any] = []
LOOP.append(LOOP)


UNSTORABLE = {
    "nan": (float("nan"), "NaN"),
    "infinity": ({"x": [float("inf")]}, "NaN"),
    "object": (object(), "not valid JSON"),
    "bytes": (b"bytes", "not valid JSON"),
    "key": ({(1, 2): 3}, "not valid JSON"),
    "nul": ("a\0b", "u0000"),
    "nul in a key": ({"a\0": 1}, "u0000"),
    "nul deep within": ([{"x": ("y", "\0")}], "u0000"),
    "surrogate": ("\ud800", "lone surrogate"),
    "surrogate in a key": ({"\udfff": 1}, "lone surrogate"),
    "deep": (DEEP, "nested too deeply"),
    "deeper than other code would take": (nested(900), "nested too deeply: at most 200"),
    "one level too deep": (nested(DEEPEST + 1), "nested too deeply: at most 200"),
    "loop": (LOOP, "not valid JSON"),
    "long number": (10**5_000, "not valid JSON"),
}


@pytest.mark.parametrize("kind", UNSTORABLE)
def test_what_cannot_be_stored_is_refused_and_named(kind: str) -> None:
    value, says = UNSTORABLE[kind]
    with pytest.raises(InvalidJson, match=says) as refused:
        checked_json(value, "the result")
    assert str(refused.value).startswith("the result ")
    assert str(refused.value).count("the result") == 1, "one line says it once"


def test_the_size_is_counted_in_bytes_and_limited() -> None:
    assert checked_json("é" * 4, "x", max_bytes=10) == "é" * 4
    with pytest.raises(InvalidJson, match="has 12 bytes; at most 10"):
        checked_json("é" * 5, "x", max_bytes=10)


def test_the_deepest_value_is_accepted() -> None:
    assert checked_json(nested(DEEPEST), "x") == nested(DEEPEST)
    side_by_side: list[Any] = [[]] * (2 * DEEPEST)
    assert checked_json(side_by_side, "x") == side_by_side


def test_a_text_that_only_speaks_of_u0000_is_accepted() -> None:
    assert checked_json("never write \\u0000", "x") == "never write \\u0000"


def test_the_value_comes_back_as_the_database_will_return_it() -> None:
    assert checked_json({1: ("a", None), "b": True}, "x") == {"1": ["a", None], "b": True}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0")), inner
    ),
)  # fmt: skip


@given(json_values)
def test_json_is_returned_as_it_is_and_shares_nothing_with_what_was_given(value: Any) -> None:
    returned = checked_json(value, "x")
    assert returned == value
    assert not (isinstance(value, list | dict) and value and returned is value)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from texts_in(part)


@given(st.recursive(st.text(st.characters(codec=None)) | st.floats(), st.lists))
def test_what_is_accepted_is_always_storable(value: Any) -> None:
    try:
        returned = checked_json(value, "x")
    except InvalidJson:
        return
    json.dumps(returned, allow_nan=False, ensure_ascii=False).encode()
    assert "\0" not in "".join(texts_in(returned))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"page": 1', "at line 1, column 11"),
        ("", "at line 1, column 1"),
        ("[1]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('{"x": NaN}', "NaN"),
        ('{"x": 1e999}', "NaN"),
        ('{"x": "\\u0000"}', "u0000"),
        ('{"x": "\\ud800"}', "lone surrogate"),
        ("[" * 100_000, "nested too deeply"),
        ('{"x": ' + "1" * 5_000 + "}", "not valid JSON"),
    ],
    ids=lambda text: text[:20],
)
def test_a_text_that_is_no_json_object_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(InvalidJson, match=says) as refused:
        parsed_object(text, "--input")
    assert str(refused.value).startswith("--input ")
    assert str(refused.value).count("--input") == 1, "one line says it once"


def test_a_json_object_is_read() -> None:
    assert parsed_object('{"page": 1, "emoji": "\\ud83d\\ude00"}', "x") == {
        "page": 1,
        "emoji": "😀",
    }
