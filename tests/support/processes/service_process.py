"""`run.py` as a user has it: a process, its command line, its standard output."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import run
from tests.support.checkout import CHECKOUT
from tests.support.deadline import wait_until
from tests.support.processes.warm_processes import WarmProcess

# Below those that Linux gives to whoever asks for any (ip_local_port_range).
PORTS = (10_000, 32_000)
LONGEST_SECONDS = 60.0

Process = subprocess.Popen[bytes] | WarmProcess


def free_port() -> int:
    """A port that nobody listens on at the moment.

    It is none that the system gives to whoever asks for any: while a service is down, nothing
    else may get its port.
    """
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", random.randint(*PORTS)))
            return int(probe.getsockname()[1])


class Installation:
    """A data directory, and the commands that are given on it."""

    def __init__(
        self, data_dir: Path, command: tuple[str, ...] = (sys.executable, str(CHECKOUT / "run.py"))
    ) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self.command = command
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "RUNTIME_DATA_DIR": str(data_dir),
            "RUNTIME_BRIDGE_PORT": str(self.port),
            "RUNTIME_LOG_FORMAT": "json",
        }

    @property
    def url(self) -> str:
        """Where browsers connect."""
        return f"http://127.0.0.1:{self.port}"

    def start(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], stdout: Path, stderr: Path
    ) -> Process:
        """A process that runs one command; its streams are appended to these files."""
        with stdout.open("ab") as out, stderr.open("ab") as err:
            return subprocess.Popen(
                [*self.command, *arguments],
                env=dict(environment),
                stdout=out,
                stderr=err,
                cwd=self.data_dir.parent,
                start_new_session=True,
            )

    def run(
        self, *arguments: str, check: bool = True, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One command."""
        with tempfile.TemporaryDirectory() as directory:
            streams = Path(directory, "stdout"), Path(directory, "stderr")
            process = self.start(arguments, {**self.environment, **(more or {})}, *streams)
            try:
                code = process.wait(LONGEST_SECONDS)
            finally:
                process.kill()
            stdout, stderr = (stream.read_text() for stream in streams)
        if check and code != 0:
            raise AssertionError(f"{arguments}: {code}\n{stdout}\n{stderr}")
        return subprocess.CompletedProcess([*self.command, *arguments], code, stdout, stderr)

    def json(self, *arguments: str) -> Any:
        """Return what one command prints for a program."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def logged(self) -> str:
        """The log of the service."""
        return self.log.read_text() if self.log.exists() else ""

    @contextlib.contextmanager
    def serving(self, **more: str) -> Iterator[Process]:
        """A running service; stopped as an operator would, and expected to end well."""
        process = self.start(("serve",), {**self.environment, **more}, self.log, self.log)
        try:
            wait_until(lambda: self._listens() or process.poll() is not None)
            assert process.poll() is None, self.logged()
            yield process
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(40) == 0, self.logged()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class WarmInstallation(Installation):
    """The same, for tests of something else than how a process starts."""

    def start(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], stdout: Path, stderr: Path
    ) -> Process:
        """A process that need not import everything anew."""
        return WarmProcess(
            run.main, ("run.py", *arguments), environment, self.data_dir.parent, stdout, stderr
        )
