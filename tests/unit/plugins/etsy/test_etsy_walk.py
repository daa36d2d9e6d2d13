"""A look at a shop knows whether it can have missed something."""

from hypothesis import given
from hypothesis import strategies as st

from plugins.etsy.walk import OffsetLook

SIZE = 3
changes = st.lists(
    st.one_of(st.none(), st.tuples(st.just("leaves"), st.integers(0, 20)), st.just(("comes", 0))),
    max_size=8,
)


@given(st.integers(0, 10), changes)
def test_a_look_without_a_doubt_has_seen_all_that_was_there_throughout(
    many: int, events: list[tuple[str, int] | None]
) -> None:
    there = [str(number) for number in range(many)]
    throughout = set(there)
    numbers = iter(range(100, 200))
    look = OffsetLook()
    pending = list(events)
    while not look.is_over:
        page = there[look.offset : look.offset + SIZE]
        look.add(len(there), page, len(page))
        event = pending.pop(0) if pending else None
        if event and event[0] == "leaves" and there:
            throughout.discard(there.pop(event[1] % len(there)))
        elif event and event[0] == "comes":
            there.insert(0, str(next(numbers)))
    if look.doubt() is None:
        assert throughout <= look.ids


def test_a_record_without_an_id_is_a_doubt() -> None:
    look = OffsetLook()
    look.add(2, ["1"], 2)
    assert look.is_over
    assert look.doubt() == "2 records were announced and 1 seen"
