"""The demo: what it shows, what it asserts, and that nothing of it is left."""

import re
import signal
import sys
from pathlib import Path

import pytest

from runtime.cli.demonstration.summary import JobRow, Promise, print_summary
from tests.support.checkout import CHECKOUT
from tests.support.processes.commands import PATIENCE_SECONDS, running
from tests.support.processes.service_process import Installation, WarmInstallation

DONE = JobRow(1, 9001, "ebay publish", "completed", "listing 5", 0.5)
KEPT = Promise("put on sale", "ebay", 1, 1)


def nothing_is_left(cli: Installation, temporary: Path) -> bool:
    return not cli.data_dir.exists() and not list(temporary.iterdir())


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    directory = tmp_path / "t"
    directory.mkdir()
    return directory


def test_all_of_it_happens_exactly_once_and_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    cli = WarmInstallation(tmp_path / "data")
    # The operator's own service, which is none of the demo's business.
    cli.environment |= {"TMPDIR": str(temporary), "RUNTIME_DATABASE_URL": "postgresql://nowhere/x"}
    shown = cli.run("demo", "--sellers", "2", "--items", "30").stdout
    rows = [line.split() for line in shown.splitlines()]
    for row in (
        ["counted", "in", "the", "end", "ebay", "etsy", "vinted", "stored"],
        ["lost", "answers", "1", "1", "1"],
        ["put", "on", "sale", "1", "1", "1"],
        ["bought", "1", "0", "0", "1"],
        ["left", "on", "sale", "0", "0", "0", "0"],
        ["synced", "listings", "60", "60"],
    ):
        assert row in rows, shown
    does = [" ".join(row[2:4]) for row in rows if row[1:2] and row[1].startswith("900")]
    assert does[:6] == [*["vinted sync"] * 2, "ebay publish", "etsy publish", "vinted publish",
                        "ebay sync_orders"]  # fmt: skip
    assert sorted(does[6:]) == ["etsy delete", "vinted delete"]
    assert re.search(r"^8 of 8 jobs completed in \d+\.\d s$", shown, re.MULTILINE)
    assert "everything happened exactly once" in shown
    told = re.findall(r"^job (\d+) of seller \d+ on \w+: completed$", shown, re.MULTILINE)
    assert sorted(map(int, told)) == list(range(1, 9)), "each job's end is told once"
    assert nothing_is_left(cli, temporary)


def test_an_interrupted_demo_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    cli = Installation(tmp_path / "data")
    environment = cli.environment | {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"}
    command = (
        sys.executable,
        str(CHECKOUT / "run.py"),
        "demo",
        "--items",
        "50000",
        "--sellers",
        "1",
    )
    with running(*command, env=environment) as process:
        assert process.stdout is not None
        begun = any("running" in line for line in process.stdout)
        assert begun, process.stderr.read() if process.stderr else ""
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, err) == (130, "error: interrupted\n")
    assert nothing_is_left(cli, temporary)


@pytest.mark.parametrize(
    ("jobs", "promises", "told"),
    [
        ([DONE], [KEPT, Promise("put on sale", "etsy", 1, 2)], "put on sale (etsy): 2, not 1"),
        ([DONE, JobRow(2, 9001, "etsy publish", "paused", "who knows", None)], [KEPT],
         "job 2 is paused"),
    ],
)  # fmt: skip
def test_a_promise_that_was_not_kept_is_told(
    jobs: list[JobRow], promises: list[Promise], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not print_summary(jobs, promises, 1.0)
    out, err = capsys.readouterr()
    assert err == f"error: not everything happened exactly once: {told}\n"
    assert "everything happened" not in out


def test_a_promise_that_was_kept_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_summary([DONE], [KEPT], 1.0)
    out, err = capsys.readouterr()
    assert ("1 of 1 jobs completed in 1.0 s" in out, err) == (True, "")
