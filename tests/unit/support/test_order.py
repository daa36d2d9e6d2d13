"""The order of tests: nothing is lost, and no worker begins with more than the others."""

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.support.order import SECONDS, spread

ROOT = Path("/tests")


@dataclass(frozen=True)
class Item:
    """A test of a file."""

    path: Path
    number: int


def of_file(folder: str, name: str, count: int) -> list[Item]:
    return [Item(ROOT / folder / name, number) for number in range(count)]


files = st.lists(
    st.tuples(st.sampled_from([*SECONDS, "integration/jobs", "."]), st.integers(1, 30)), max_size=20
)


@given(files=files, workers=st.integers(2, 8))
def test_each_test_is_run_once_and_files_that_take_time_stay_whole(
    files: list[tuple[str, int]], workers: int
) -> None:
    items = [
        item
        for number, (folder, count) in enumerate(files)
        for item in of_file(folder, f"test_{number}.py", count)
    ]
    ordered = spread(items, workers, ROOT)
    assert Counter(ordered) == Counter(items)
    long = [path for path, _ in groupby(item.path for item in ordered) if path.parts[2] != "unit"]
    long = [path for path in long if path.parent != ROOT]
    assert len(long) == len(set(long))


def test_each_worker_begins_with_what_takes_long_and_ends_with_what_does_not() -> None:
    items = [
        *of_file("acceptance", "test_a.py", 3), *of_file("acceptance", "test_b.py", 3),
        *of_file("integration/jobs", "test_c.py", 10), *of_file("unit/runs", "test_d.py", 84),
    ]  # fmt: skip
    first, second = (ordered := spread(items, 2, ROOT))[:50], ordered[50:]
    assert [item.path.name for item in first[:4]] == ["test_a.py"] * 3 + ["test_c.py"]
    assert [item.path.name for item in second[:4]] == ["test_b.py"] * 3 + ["test_d.py"]
    assert {item.path.name for item in first[13:] + second[3:]} == {"test_d.py"}
