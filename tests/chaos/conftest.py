"""A PostgreSQL for the chaos tests alone, because they stop it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from runtime.storage.server.embedded import EmbeddedServer
from tests.chaos.counting_marketplace import CountingMarketplace, Plan
from tests.chaos.stage import Stage, Staged, prepare, stage_on
from tests.support.database.databases import Databases, own_server


@pytest.fixture(scope="session")
def chaos_server() -> Iterator[EmbeddedServer]:
    with own_server() as started:
        try:
            yield started
        finally:
            started._cluster.ensure_running()


@pytest.fixture(scope="session")
def chaos_databases(chaos_server: EmbeddedServer) -> Databases:
    made = Databases(chaos_server)
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
    chaos_server: EmbeddedServer,
    chaos_databases: Databases,
    prepared_template: str,
    tmp_path: Path,
) -> Staged:
    """A stage on a database of its own, with a marketplace that follows the plan."""

    def make(plan: Plan) -> AbstractContextManager[Stage]:
        url = chaos_databases.make(prepared_template)
        return stage_on(tmp_path, chaos_server, url, CountingMarketplace(plan))

    return make
