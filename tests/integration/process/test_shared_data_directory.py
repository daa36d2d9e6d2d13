"""Processes that share a data directory agree on its secrets, and read what a dead one ran."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from runtime.process.config import Settings
from runtime.process.crash_marker import jobs_running_at_death
from runtime.process.data_directory import TOKEN_SECRET_FILE, token_secret
from tests.support.checkout import CHECKOUT

START_TOGETHER = """
import sys
from pathlib import Path
from runtime.process.config import Settings
from runtime.process.data_directory import token_secret

settings = Settings(data_dir=Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(token_secret(settings))
"""


def test_processes_that_start_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", START_TOGETHER, str(tmp_path / "data")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    secrets = {process.communicate(timeout=60)[0] for process in processes}
    assert len(secrets) == 1
    assert secrets == {token_secret(Settings(data_dir=tmp_path / "data")) + "\n"}
    assert [one.name for one in (tmp_path / "data").iterdir()] == [TOKEN_SECRET_FILE]


KILLED = """
import os, signal, sys
from pathlib import Path
from runtime.process.crash_marker import CrashMarker
from runtime.process.stalls import Stalls
marker = CrashMarker(Path(sys.argv[1]), 5, Stalls())
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
