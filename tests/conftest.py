"""A PostgreSQL for the whole run, and a database of its own for each test that asks."""

import os
import random
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from pydantic import SecretStr
from sqlalchemy import URL

from runtime.process.config import Settings
from runtime.storage.schema.migrator import migrate
from runtime.storage.server.embedded import EmbeddedServer
from runtime.storage.server.engine import Database
from tests.support.database.databases import Databases, own_server
from tests.support.examples import drawn
from tests.support.order import spread

EXAMPLES = 100
OWN_DIRECTORY = pytest.StashKey[bool]()
"""Whether the run made a directory for the files of its tests."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Draw the seeds before the workers start: they inherit them."""
    if config.option.basetemp is None:
        # Each run of pytest closes the directory that all runs of an account share to others, and
        # the account of the embedded PostgreSQL is one of these.
        config.option.basetemp = tempfile.mkdtemp(prefix="marketplace-runtime-tests-")
        config.stash[OWN_DIRECTORY] = True
    # A shell that starts this in the background has it ignored, and so all that is started here.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault("CHAOS_SEED", str(random.randrange(1_000_000)))
    os.environ.setdefault("SIMULATION_SEED", str(random.randrange(1_000_000)))
    os.environ.setdefault("CHAOS_SECONDS", "30")
    # Where a test names no number of its own.
    # How fast a machine draws examples says nothing of the code: it may have other things to do.
    hypothesis.settings.register_profile(
        "here",
        max_examples=drawn(EXAMPLES),
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("here")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Leave the run's directory to whoever wants to see why something failed."""
    if exitstatus == pytest.ExitCode.OK and session.config.stash.get(OWN_DIRECTORY, False):
        shutil.rmtree(session.config.option.basetemp, ignore_errors=True)


def pytest_report_header() -> str:
    """Print what repeats the monkey's run, and the simulated day."""
    names = ("CHAOS_SEED", "CHAOS_SECONDS", "SIMULATION_SEED")
    return " ".join(f"{name}={os.environ[name]}" for name in names)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let no worker of several end long after the others."""
    workers = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    if workers > 1:
        items[:] = spread(items, workers, Path(__file__).parent)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in list(os.environ):
        if name.startswith("RUNTIME_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """The PostgreSQL server of the run; ended with it."""
    with own_server() as running:
        yield running


@pytest.fixture(scope="session")
def databases(server: EmbeddedServer) -> Databases:
    """The factory of databases on the server of the run."""
    made = Databases(server)
    made.forget_the_disk()
    return made


@pytest.fixture(scope="session")
def migrated_template(databases: Databases) -> str:
    """The name of a database that is migrated, and that nobody is connected to."""
    url = databases.make()
    database = Database(url)
    migrate(database, lambda _line: None)
    database.dispose()
    assert url.database is not None
    return url.database


@pytest.fixture
def database_url(databases: Databases, migrated_template: str) -> Iterator[URL]:
    """The URL of the test's own database, migrated."""
    url = databases.make(migrated_template)
    yield url
    databases.drop(url)


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[URL]:
    """The URL of the test's own database, with nothing in it."""
    url = databases.make()
    yield url
    databases.drop(url)


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
