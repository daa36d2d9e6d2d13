"""Opening the database, and what is said when that does not work."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from pydantic import SecretStr
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from runtime.errors import ConfigurationError, DatabaseUnavailable, DataDirectoryError
from runtime.process.config import Settings
from runtime.storage.server import engine
from runtime.storage.server.engine import Database, database_errors, open_database
from tests.support.database.embedded_use import postmaster

PASSWORD = "s3cret-p4ss"


def settings_for(url: str, **others: Any) -> Settings:
    return Settings(database_url=SecretStr(url), **others)


@contextmanager
def silent_server() -> Iterator[int]:
    """A port where somebody listens and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


def test_the_configured_database_is_opened(settings: Settings) -> None:
    database = open_database(settings)

    with database.session() as session:
        assert session.scalar(text("SHOW application_name")) == "marketplace-runtime"
        assert session.scalar(text("SHOW transaction_isolation")) == "read committed"
        assert session.scalar(text("SHOW lock_timeout")) == "0"
    database.dispose()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_usual_scheme_is_understood(database_url: URL, scheme: str) -> None:
    url = database_url.set(drivername=scheme).render_as_string(hide_password=False)

    database = open_database(settings_for(url))

    assert database.engine.dialect.driver == "psycopg2"
    database.dispose()


def test_what_the_url_says_of_the_connection_counts(database_url: URL) -> None:
    url = database_url.update_query_dict({"application_name": "mine"})
    database = open_database(settings_for(url.render_as_string(hide_password=False)))

    with database.session() as session, closing(database.direct_connection()) as direct:
        assert session.scalar(text("SHOW application_name")) == "mine"
        assert direct.info.parameter_status("application_name") == "mine"
    database.dispose()


def test_a_session_begun_commits(database: Database) -> None:
    with database.session.begin() as session:
        session.execute(text("CREATE TABLE public.kept ()"))

    with database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM public.kept")) == 0


def test_a_direct_connection_is_new_and_commits_by_itself(database: Database) -> None:
    with (
        closing(database.direct_connection()) as first,
        closing(database.direct_connection()) as second,
    ):
        assert first.info.backend_pid != second.info.backend_pid
        with first.cursor() as cursor:
            cursor.execute("CREATE TABLE public.kept ()")
        with second.cursor() as cursor:
            cursor.execute("SELECT * FROM public.kept")


def test_direct_connections_go_where_the_direct_url_says(
    database_url: URL, empty_database_url: URL
) -> None:
    database = open_database(
        settings_for(
            database_url.render_as_string(hide_password=False),
            database_direct_url=SecretStr(empty_database_url.render_as_string(hide_password=False)),
        )
    )

    with database.session() as session, closing(database.direct_connection()) as direct:
        assert session.scalar(text("SELECT current_database()")) == database_url.database
        assert direct.info.dbname == empty_database_url.database
    database.dispose()


def test_without_a_url_the_embedded_server_is_used_and_ended(data_dir: Path) -> None:
    database = open_database(Settings(data_dir=data_dir))

    with database.session() as session, closing(database.direct_connection()) as direct:
        assert session.scalar(text("SELECT 1")) == 1
        assert direct.info.host == str(data_dir / "postgres")
    assert postmaster(data_dir) is not None
    database.dispose()
    assert postmaster(data_dir) is None


class TestRefusing:
    @pytest.mark.parametrize(
        "url",
        [
            f"mysql://u:{PASSWORD}@h/d",
            f"postgresql+asyncpg://u:{PASSWORD}@h/d",
            f"postgresql://u:{PASSWORD}@h:port/d",
            PASSWORD,
            "sqlite:///x",
        ],
    )
    def test_another_url_is_refused_by_the_name_of_its_variable(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match=r"^RUNTIME_DATABASE_URL ") as caught:
            open_database(settings_for(url))

        assert PASSWORD not in str(caught.value)

    def test_so_is_another_direct_url(self, database_url: URL) -> None:
        settings = settings_for(
            database_url.render_as_string(hide_password=False),
            database_direct_url=SecretStr("mysql://h/d"),
        )

        with pytest.raises(ConfigurationError, match=r"^RUNTIME_DATABASE_DIRECT_URL "):
            open_database(settings)

    def test_a_direct_url_alone_is_a_mistake(self, tmp_path: Path) -> None:
        settings = Settings(database_direct_url=SecretStr("postgresql://h/d"), data_dir=tmp_path)

        with pytest.raises(ConfigurationError, match="RUNTIME_DATABASE_URL is not"):
            open_database(settings)

    def test_an_unknown_option_is_named(self, database_url: URL) -> None:
        url = database_url.update_query_dict({"sslmodus": "on"})

        with pytest.raises(ConfigurationError, match="sslmodus"):
            open_database(settings_for(url.render_as_string(hide_password=False)))

    def test_a_server_that_is_not_there_is_named_without_the_password(self) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            port = listener.getsockname()[1]
        url = f"postgresql://shopkeeper:{PASSWORD}@127.0.0.1:{port}/wares"

        with pytest.raises(DatabaseUnavailable) as caught:
            open_database(settings_for(url))

        said = str(caught.value)
        assert all(part in said for part in ("127.0.0.1", str(port), "'wares'", "refused"))
        assert PASSWORD not in said
        assert "\n" not in said
        assert caught.value.__cause__ is None

    def test_a_server_that_does_not_answer_is_waited_for_a_few_seconds(self) -> None:
        with silent_server() as port:
            started = time.monotonic()
            with pytest.raises(DatabaseUnavailable, match="timeout expired"):
                open_database(
                    settings_for(f"postgresql://127.0.0.1:{port}/wares?connect_timeout=2")
                )

        assert time.monotonic() - started < 60
        assert engine._CONNECT_DEFAULTS["connect_timeout"] == "5"

    def test_a_database_that_is_not_there_is_named(self, database_url: URL) -> None:
        url = database_url.set(database="nowhere")

        with pytest.raises(DatabaseUnavailable, match=r"'nowhere' at .*does not exist"):
            open_database(settings_for(url.render_as_string(hide_password=False)))

    def test_a_data_directory_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(DataDirectoryError, match="file/data"):
            open_database(Settings(data_dir=tmp_path / "file" / "data"))


class TestDatabaseErrors:
    def test_a_connection_that_the_server_ended_is_the_database_being_away(
        self, database: Database
    ) -> None:
        with (
            pytest.raises(DatabaseUnavailable, match="went away") as caught,
            database_errors(),
            database.session() as session,
        ):
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        assert "\n" not in str(caught.value)
        assert isinstance(caught.value.__cause__, DBAPIError)

    def test_so_it_is_on_a_direct_connection(self, database: Database) -> None:
        with closing(database.direct_connection()) as direct, direct.cursor() as cursor:
            with pytest.raises(DatabaseUnavailable), database_errors():
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            with pytest.raises(DatabaseUnavailable), database_errors():
                direct.cursor()

    def test_the_pool_recovers_by_itself(self, database: Database) -> None:
        with database.session() as session:
            pid = session.scalar(text("SELECT pg_backend_pid()"))
        with closing(database.direct_connection()) as direct, direct.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))

        with database_errors(), database.session() as session:
            assert session.scalar(text("SELECT 1")) == 1

    def test_a_server_that_cannot_be_reached_any_more_is_away(self) -> None:
        gone = Database(URL.create("postgresql+psycopg2", host="127.0.0.1", port=1, database="x"))

        with pytest.raises(DatabaseUnavailable), database_errors(), gone.session() as session:
            session.execute(text("SELECT 1"))
        with pytest.raises(DatabaseUnavailable):
            gone.direct_connection()

    def test_too_many_connections_is_away(self, database: Database, database_url: URL) -> None:
        with closing(database.direct_connection()) as direct, direct.cursor() as cursor:
            cursor.execute(f"CREATE ROLE crowded_{database_url.database} LOGIN CONNECTION LIMIT 0")
        crowded = Database(database_url.set(username=f"crowded_{database_url.database}"))

        with pytest.raises(DatabaseUnavailable), database_errors(), crowded.session() as session:
            session.execute(text("SELECT 1"))

    @pytest.mark.parametrize("state", ["08000", "08006", "57P01", "57P02", "57P03", "53300"])
    def test_these_states_are_the_database_being_away(self, database: Database, state: str) -> None:
        with (
            pytest.raises(DatabaseUnavailable),
            database_errors(),
            database.session() as session,
        ):
            session.execute(text(raising(state)))

    @pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57014", "53100", "23505"])
    def test_these_are_not(self, database: Database, state: str) -> None:
        with (
            pytest.raises(DBAPIError) as caught,
            database_errors(),
            database.session() as session,
        ):
            session.execute(text(raising(state)))

        assert caught.value.orig is not None
        assert isinstance(caught.value.orig, psycopg2.Error)
        assert caught.value.orig.pgcode == state

    def test_a_wrong_statement_passes(self, database: Database) -> None:
        with (
            pytest.raises(ProgrammingError),
            database_errors(),
            database.session() as session,
        ):
            session.execute(text("SELEKT 1"))

    def test_a_cursor_closed_by_mistake_passes(self, database: Database) -> None:
        with closing(database.direct_connection()) as direct:
            cursor = direct.cursor()
            cursor.close()
            with pytest.raises(psycopg2.InterfaceError), database_errors():
                cursor.execute("SELECT 1")

    def test_a_lock_that_is_not_free_passes(self, database: Database) -> None:
        with database.session() as holder, database.session() as other:
            holder.execute(text("LOCK TABLE marketplace_runtime.shops"))
            other.execute(text("SET LOCAL lock_timeout = '10ms'"))
            with pytest.raises(OperationalError), database_errors():
                other.execute(text("SELECT count(*) FROM marketplace_runtime.shops"))


class TestTransaction:
    @pytest.mark.parametrize("state", ["25006", "40001", "40P01", "55P03", "57014", "53100"])
    def test_what_passes_in_time_is_tried_again_like_a_database_that_is_away(
        self, database: Database, state: str
    ) -> None:
        with (
            pytest.raises(DatabaseUnavailable, match="on purpose") as caught,
            database.transaction("example") as session,
        ):
            session.execute(text(raising(state)))

        assert "\n" not in str(caught.value)

    def test_a_mistake_stays_one(self, database: Database) -> None:
        with (
            pytest.raises(ProgrammingError),
            database.transaction("example") as session,
        ):
            session.execute(text("SELEKT 1"))


def raising(state: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{state}'; END $$"
