"""The order in which tests are run, for workers that each begin with a part of the list."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Generic, Protocol, TypeVar

SECONDS = {
    "unit": 0.0,
    "integration": 0.5,
    "integration/plugins": 1.5,
    "integration/cli": 1.5,
    "integration/process": 2.0,
    "browser": 3.0,
    "hostile": 4.0,
    "chaos": 4.0,
    "simulation": 6.0,
    "acceptance": 8.0,
}
"""About how long a test of each folder takes, measured beside others."""


class Test(Protocol):
    """As pytest has it."""

    @property
    def path(self) -> Path:
        """The file that it stands in."""
        ...


Item = TypeVar("Item", bound=Test)


@dataclass
class WorkerPart(Generic[Item]):
    """The tests that one worker begins with."""

    size: int
    seconds: float = 0.0
    files: list[tuple[float, list[Item]]] = field(default_factory=list)

    def add(self, each: float, items: list[Item]) -> None:
        """Add a file, whose tests take so many seconds each."""
        self.seconds += each * len(items)
        self.files.append((each, items))

    def filled(self, short: Iterator[Item]) -> list[Item]:
        """Its tests, the longest first, and so many short ones that it has its size."""
        self.files.sort(key=lambda file: -file[0])
        own = [item for _, items in self.files for item in items]
        return own + list(islice(short, max(0, self.size - len(own))))


def spread(items: Sequence[Item], workers: int, root: Path) -> list[Item]:
    """Order tests so that all workers begin with what takes long, and take about as long.

    A worker that is done takes tests from the end of another's part. There the short ones have to
    stand: if a long one is begun last, all others wait for it. A file is not divided, because its
    tests may share what they set up.

    Args:
        root: the directory of the tests.
    """
    files: dict[Path, list[Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    parts = [WorkerPart[Item](size) for size in _sizes(len(items), workers)]
    each = {path: _seconds(path.relative_to(root)) for path in files}
    for path in sorted(files, key=lambda path: -each[path] * len(files[path])):
        if each[path]:
            min(parts, key=lambda part: part.seconds).add(each[path], files[path])
    short = (item for path in files if not each[path] for item in files[path])
    return [item for part in parts for item in part.filled(short)] + list(short)


def _sizes(tests: int, workers: int) -> Iterator[int]:
    """How ``pytest --dist worksteal`` divides the list."""
    for remaining in range(workers, 0, -1):
        size = tests // remaining
        tests -= size
        yield size


def _seconds(path: Path) -> float:
    folders = (str(folder) for folder in path.parents)
    return next((SECONDS[folder] for folder in folders if folder in SECONDS), 0.0)
