"""A PostgreSQL for the chaos tests alone, because they stop it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from runtime.storage.embedded import EmbeddedServer
from tests.chaos.counting_marketplace import CountingMarketplace, Plan
from tests.chaos.stage import Stage, own_server, prepare, stage_on
from tests.databases import Databases

Staged = Callable[[Plan], AbstractContextManager[Stage]]


@pytest.fixture(scope="session")
def chaos_server() -> Iterator[tuple[Path, EmbeddedServer]]:
    with own_server() as started:
        yield started


@pytest.fixture(scope="session")
def chaos_databases(chaos_server: tuple[Path, EmbeddedServer]) -> Databases:
    made = Databases(chaos_server[1])
    made.forget_the_disk()
    return made


@pytest.fixture(scope="session")
def prepared_template(chaos_databases: Databases) -> str:
    """The name of a database that a stage could stand on."""
    url = chaos_databases.make()
    prepare(url)
    assert url.database is not None
    return url.database


@pytest.fixture
def staged(
    chaos_server: tuple[Path, EmbeddedServer], chaos_databases: Databases, prepared_template: str
) -> Staged:
    """A stage on a database of its own, with a marketplace that follows the plan."""
    directory, server = chaos_server

    def make(plan: Plan) -> AbstractContextManager[Stage]:
        url = chaos_databases.make(prepared_template)
        own = directory / str(url.database)
        own.mkdir()
        return stage_on(own, server, url, CountingMarketplace(plan))

    return make
