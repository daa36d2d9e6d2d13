"""Commands as processes of their own that need not import everything anew.

They are forked from a process that has, and then have their own environment, directory and
standard streams like any other. Where starting is what is tested, or the streams are, the
process is started in earnest (`tests/acceptance/service_process.py`).
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

import run as entry_point
from tests.acceptance.service_process import Installation

LONGEST_SECONDS = 60.0

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


class WarmInstallation(Installation):
    """A data directory, and the commands that are given on it."""

    def run(
        self, *arguments: str, check: bool = True, more: Mapping[str, str] | None = None
    ) -> CompletedProcess[str]:
        """One command."""
        directory = self.data_dir.parent
        streams = directory / "command.stdout", directory / "command.stderr"
        environment = {**self.environment, **(more or {})}
        process = _FORKS.Process(
            target=_command, args=(arguments, environment, directory, *streams)
        )
        process.start()
        process.join(LONGEST_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise AssertionError(f"{arguments}: not within {LONGEST_SECONDS:g} s")
        stdout, stderr = (stream.read_text() for stream in streams)
        if check and process.exitcode != 0:
            raise AssertionError(f"{arguments}: {process.exitcode}\n{stdout}\n{stderr}")
        return CompletedProcess([*self.command, *arguments], process.exitcode, stdout, stderr)


def _command(
    arguments: tuple[str, ...],
    environment: dict[str, str],
    directory: Path,
    stdout: Path,
    stderr: Path,
) -> None:
    for number, path in ((1, stdout), (2, stderr)):
        with path.open("wb") as stream:
            os.dup2(stream.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(directory)
    sys.argv = ["run.py", *arguments]
    entry_point.main()
