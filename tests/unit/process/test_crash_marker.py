"""The crash marker: what ran when a process was killed can be read afterwards."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.process.crash_marker import CrashMarker, forget_marker, jobs_running_at_death
from tests.support.checkout import CHECKOUT

KILLED = """
import os, signal, sys
from pathlib import Path
from runtime.process.crash_marker import CrashMarker
marker = CrashMarker(Path(sys.argv[1]), 5)
with marker.running(1):
    pass
with marker.running(2), marker.running(3):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_jobs_that_ran_when_the_process_was_killed_are_known(tmp_path: Path) -> None:
    root = CHECKOUT
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(root)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert jobs_running_at_death(tmp_path, 5) == frozenset({2, 3})


def test_a_node_that_ended_well_leaves_no_marker(tmp_path: Path) -> None:
    marker = CrashMarker(tmp_path, 1)
    marker.close()
    assert jobs_running_at_death(tmp_path, 1) is None


def test_a_rescued_node_is_forgotten(tmp_path: Path) -> None:
    CrashMarker(tmp_path, 1)
    assert jobs_running_at_death(tmp_path, 1) == frozenset()
    forget_marker(tmp_path, 1)
    assert jobs_running_at_death(tmp_path, 1) is None


def test_more_threads_than_slots_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.process.crash_marker.SLOTS", 1)
    marker = CrashMarker(tmp_path, 1)
    with marker.running(1), marker.running(2):
        assert jobs_running_at_death(tmp_path, 1) == frozenset({1})
    assert jobs_running_at_death(tmp_path, 1) == frozenset()
