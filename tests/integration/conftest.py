"""Clusters of PostgreSQL that tests start and stop themselves; a former installation, migrated."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from runtime.storage.server.embedded import EmbeddedServer
from runtime.storage.server.engine import Database
from tests.support.checkout import CHECKOUT
from tests.support.database.databases import Databases, directory_in_memory
from tests.support.database.embedded_use import USER, end_server
from tests.support.database.former_database import former_database
from tests.support.database.migrating import run, up


@pytest.fixture(scope="session")
def moved_template(databases: Databases) -> str:
    """The name of a former database that is migrated, and that nobody is connected to."""
    url = databases.make()
    database = Database(url)
    run(database, former_database())
    up(database)
    database.dispose()
    assert url.database is not None
    return url.database


@pytest.fixture
def moved_url(databases: Databases, moved_template: str) -> Iterator[URL]:
    """The URL of a database like that."""
    url = databases.make(moved_template)
    yield url
    databases.drop(url)


@pytest.fixture
def moved(moved_url: URL) -> Iterator[Database]:
    """A former installation, migrated."""
    database = Database(moved_url)
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def initialised_data_dir() -> Iterator[Path]:
    """A directory that holds a cluster, and no running server."""
    directory = directory_in_memory()
    EmbeddedServer.start(directory).release()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def data_dir(initialised_data_dir: Path) -> Iterator[Path]:
    """The test's own copy of that."""
    parent = directory_in_memory()
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
