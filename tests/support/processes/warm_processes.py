"""Processes that need not import everything anew.

They are forked from one that has, and then have a session, an environment, a directory and
standard streams of their own like any other.
"""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from runtime.process import kill_points

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["run", "actors.node", "plugins", "tests.chaos.service", __name__])


class WarmProcess:
    """One process; like ``subprocess.Popen`` where it has the same names.

    Args:
        main: what it runs, a function of a module.
        arguments: its ``sys.argv``.
        environment: the whole of it.
        stdout: where its standard output is appended.
        stderr: the same for its errors.
    """

    def __init__(
        self,
        main: Callable[[], str | int | None],
        arguments: tuple[str, ...],
        environment: Mapping[str, str],
        directory: Path,
        stdout: Path,
        stderr: Path,
    ) -> None:
        # There from the start, for whoever reads along.
        stdout.touch()
        stderr.touch()
        self._process = _FORKS.Process(
            target=_become,
            args=(main, arguments, dict(environment), directory, stdout, stderr),
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """Its exit code, or None while it lives."""
        return self._process.exitcode

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code, once it has one; waits as long as it takes if nothing else is said.

        Raises:
            subprocess.TimeoutExpired: it lives on.
        """
        self._process.join(seconds)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", seconds or 0.0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing happens to one that has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """As ``kill -9``."""
        self.send_signal(signal.SIGKILL)


def _become(
    main: Callable[[], str | int | None],
    arguments: tuple[str, ...],
    environment: dict[str, str],
    directory: Path,
    stdout: Path,
    stderr: Path,
) -> None:
    os.setsid()
    for number, path in ((1, stdout), (2, stderr)):
        with path.open("ab") as stream:
            os.dup2(stream.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(directory)
    # The process that was forked has read these from its own environment.
    importlib.reload(kill_points)
    tempfile.tempdir = None
    sys.argv = list(arguments)
    sys.exit(main())
