"""`run.py` as a user has it: a process, its command line, its standard output."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.deadline import wait_until

ROOT = Path(__file__).resolve().parents[2]
# Below those that Linux gives to whoever asks for any (ip_local_port_range).
PORTS = (10_000, 32_000)


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
        self, data_dir: Path, command: tuple[str, ...] = (sys.executable, str(ROOT / "run.py"))
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

    def run(
        self, *arguments: str, check: bool = True, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One command."""
        done = subprocess.run(
            [*self.command, *arguments],
            env={**self.environment, **(more or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=self.data_dir.parent,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def json(self, *arguments: str) -> Any:
        """What one command prints for a program."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def logged(self) -> str:
        """What the service has logged."""
        return self.log.read_text() if self.log.exists() else ""

    @contextlib.contextmanager
    def serving(self, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """A running service; stopped as an operator would, and expected to end well."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*self.command, "serve"],
                env={**self.environment, **more},
                stdout=log,
                stderr=log,
                cwd=self.data_dir.parent,
                start_new_session=True,
            )
        try:
            wait_until(lambda: self._listens() or process.poll() is not None, 30)
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
