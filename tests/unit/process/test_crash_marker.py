"""The crash marker: what ran when a process was killed can be read afterwards."""

from pathlib import Path

import pytest

from runtime.process.crash_marker import CrashMarker, forget_marker, jobs_running_at_death
from runtime.process.stalls import Stalls


def test_a_node_that_ended_well_leaves_no_marker(tmp_path: Path) -> None:
    marker = CrashMarker(tmp_path, 1, Stalls())
    marker.close()
    assert jobs_running_at_death(tmp_path, 1) is None


def test_a_rescued_node_is_forgotten(tmp_path: Path) -> None:
    CrashMarker(tmp_path, 1, Stalls())
    assert jobs_running_at_death(tmp_path, 1) == frozenset()
    forget_marker(tmp_path, 1)
    assert jobs_running_at_death(tmp_path, 1) is None


def test_more_threads_than_slots_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.process.crash_marker.SLOTS", 1)
    marker = CrashMarker(tmp_path, 1, Stalls())
    with marker.running(1), marker.running(2):
        assert jobs_running_at_death(tmp_path, 1) == frozenset({1})
    assert jobs_running_at_death(tmp_path, 1) == frozenset()
