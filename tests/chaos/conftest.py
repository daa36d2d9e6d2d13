"""A PostgreSQL for the chaos tests alone, because they stop it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import make_url

from runtime.storage.embedded import EmbeddedServer
from tests.chaos.counting_marketplace import CountingMarketplace, Plan
from tests.chaos.stage import Stage, own_server, stage_on

Staged = Callable[[Plan], AbstractContextManager[Stage]]


@pytest.fixture(scope="session")
def chaos_server() -> Iterator[tuple[Path, EmbeddedServer]]:
    with own_server() as started:
        yield started


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return count(1)


@pytest.fixture
def staged(chaos_server: tuple[Path, EmbeddedServer], _numbers: Iterator[int]) -> Staged:
    """A stage on a database of its own, with a marketplace that follows the plan."""
    directory, server = chaos_server

    def make(plan: Plan) -> AbstractContextManager[Stage]:
        home = make_url(server.url)
        name = f"chaos_{next(_numbers)}"
        connection = psycopg2.connect(**home.get_dialect()().create_connect_args(home)[1])
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        connection.close()
        url = home.set(database=name).render_as_string(hide_password=False)
        own = directory / name
        own.mkdir()
        return stage_on(own, server, url, CountingMarketplace(plan))

    return make
