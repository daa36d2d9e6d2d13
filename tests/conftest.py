"""A PostgreSQL for the whole run, and a database of its own for each test that asks."""

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg2
import pytest
from pydantic import SecretStr
from sqlalchemy import URL, make_url

from runtime.config import Settings
from runtime.storage.embedded import EmbeddedServer
from runtime.storage.engine import Database
from runtime.storage.migrator import migrate

LONGEST = "test_every_write_happens_once_whatever_the_monkey_does"


def pytest_configure() -> None:
    """Draw the seeds before the workers start: they inherit them."""
    os.environ.setdefault("CHAOS_SEED", str(random.randrange(1_000_000)))
    os.environ.setdefault("SIMULATION_SEED", "1")
    os.environ.setdefault("CHAOS_SECONDS", "30")


def pytest_report_header() -> str:
    """Print what repeats the monkey's run, and the simulated day."""
    names = ("CHAOS_SEED", "CHAOS_SECONDS", "SIMULATION_SEED")
    return " ".join(f"{name}={os.environ[name]}" for name in names)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the one that takes longest, so that the others are done beside it."""
    items.sort(key=lambda item: item.name != LONGEST)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in list(os.environ):
        if name.startswith("RUNTIME_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """The PostgreSQL server of the run; ended with it."""
    directory = Path(tempfile.mkdtemp(prefix="mr-"))
    try:
        running = EmbeddedServer.start(directory)
        try:
            # Nothing here outlives the run, so nothing waits for the disk.
            _execute(make_url(running.url), "ALTER SYSTEM SET fsync = off")
            _execute(make_url(running.url), "SELECT pg_reload_conf()")
            yield running
        finally:
            running.release()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def make_database(server: EmbeddedServer) -> Callable[[str | None], URL]:
    """Make a database, empty or like a template; nobody but the end of the run drops it."""
    numbers = count(1)
    home = make_url(server.url)

    def make(template: str | None = None) -> URL:
        name = f"test_{next(numbers)}"
        _execute(home, f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
        return home.set(database=name)

    return make


@pytest.fixture(scope="session")
def migrated_template(make_database: Callable[[str | None], URL]) -> str:
    """The name of a database that is migrated, and that nobody is connected to."""
    url = make_database(None)
    database = Database(url)
    migrate(database, lambda _line: None)
    database.dispose()
    assert url.database is not None
    return url.database


@pytest.fixture
def database_url(
    server: EmbeddedServer, make_database: Callable[[str | None], URL], migrated_template: str
) -> Iterator[URL]:
    """The URL of the test's own database, migrated."""
    url = make_database(migrated_template)
    yield url
    _drop(server, url)


@pytest.fixture
def empty_database_url(
    server: EmbeddedServer, make_database: Callable[[str | None], URL]
) -> Iterator[URL]:
    """The URL of the test's own database, with nothing in it."""
    url = make_database(None)
    yield url
    _drop(server, url)


@pytest.fixture
def database(database_url: URL) -> Iterator[Database]:
    """The test's own database, migrated."""
    opened = Database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def empty_database(empty_database_url: URL) -> Iterator[Database]:
    """The test's own database, with nothing in it."""
    opened = Database(empty_database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def settings(database_url: URL, tmp_path: Path) -> Settings:
    """Settings that point at the test's own database and directory."""
    return Settings(
        database_url=SecretStr(database_url.render_as_string(hide_password=False)),
        data_dir=tmp_path,
    )


def _drop(server: EmbeddedServer, url: URL) -> None:
    _execute(make_url(server.url), f"DROP DATABASE {url.database} WITH (FORCE)")


def _execute(url: URL, statement: str) -> None:
    arguments, parameters = url.get_dialect()().create_connect_args(url)
    connection = psycopg2.connect(*arguments, **parameters)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()
