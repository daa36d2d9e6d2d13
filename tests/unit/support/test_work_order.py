"""Which tests a worker begins with."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.work_order import longest_first

LONGEST = ("day", "chaos", "package")


def file_of(item: str) -> str:
    return item.partition(":")[0]


def cases(name: str, number: int) -> list[str]:
    return [f"{name}:{one}" for one in range(number)]


def test_each_worker_begins_with_another_of_the_longest_files() -> None:
    items = [*cases("a", 9), *cases("chaos", 1), *cases("day", 3), *cases("z", 11)]
    ordered = longest_first(items, file_of, LONGEST, workers=3)
    shares = ordered[:8], ordered[8:16], ordered[16:]
    assert [share[:2] for share in shares] == [
        ["day:0", "day:1"], ["chaos:0", "a:5"], ["z:3", "z:4"],
    ]  # fmt: skip


def test_without_workers_the_longest_come_first_in_their_order() -> None:
    items = [*cases("a", 2), *cases("package", 1), *cases("day", 1)]
    assert longest_first(items, file_of, LONGEST, workers=1) == [
        "day:0", "package:0", "a:0", "a:1",
    ]  # fmt: skip


@given(
    st.lists(st.sampled_from(["day", "chaos", "package", "a", "b", "c"])),
    st.integers(min_value=1, max_value=8),
)
def test_every_test_is_run_once_and_no_file_changes_its_order(
    files: list[str], workers: int
) -> None:
    items = [f"{name}:{number}" for number, name in enumerate(files)]
    ordered = longest_first(items, file_of, LONGEST, workers)
    assert sorted(ordered) == sorted(items)
    for name in set(files):
        mine = [item for item in items if file_of(item) == name]
        assert [item for item in ordered if file_of(item) == name] == mine
