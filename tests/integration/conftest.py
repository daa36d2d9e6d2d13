"""Clusters of PostgreSQL for tests that start and stop it themselves."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.storage.embedded import EmbeddedServer
from tests.integration.embedded_use import CHECKOUT, USER, end_server


@pytest.fixture(scope="session")
def initialised_data_dir() -> Iterator[Path]:
    """A directory that holds a cluster, and no running server."""
    directory = Path(tempfile.mkdtemp(prefix="mr-"))
    EmbeddedServer.start(directory).release()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def data_dir(initialised_data_dir: Path) -> Iterator[Path]:
    """The test's own copy of that."""
    parent = Path(tempfile.mkdtemp(prefix="mr-"))
    directory = parent / "data"
    # With the owners, which shutil does not copy.
    subprocess.run(["cp", "-a", str(initialised_data_dir), str(directory)], check=True)
    yield directory
    end_server(directory)
    shutil.rmtree(parent)


@pytest.fixture
def start_user(data_dir: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start another process that uses the server."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", USER, str(data_dir)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()
