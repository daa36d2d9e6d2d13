"""Traps around the embedded server that are known, and do no harm here."""

import fcntl
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.storage.server import postgres_cluster
from runtime.storage.server.embedded import EmbeddedServer
from tests.support.checkout import CHECKOUT
from tests.support.database.embedded_use import (
    USER,
    alive,
    ask,
    end_server,
    finish,
    postmaster,
    ready,
)
from tests.support.deadline import wait_until


def test_nothing_is_said_without_a_runtime_directory(
    start_user: Callable[[], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    process = start_user()
    ready(process)

    assert finish(process) == ""


def test_the_settings_of_other_postgresql_programs_are_kept_out(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("LC_ALL", "xx_YY.UTF-8")

    server = EmbeddedServer.start(data_dir)

    assert ask(server.url, "SHOW port") == "5432"
    server.release()


class Machine:
    """A machine without the server's account; `useradd` is where only root's own PATH looks."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[bool] = []
        """For each account that was made: whether the accounts were locked meanwhile."""
        program = directory / "useradd"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        monkeypatch.setattr(postgres_cluster, "ADMINISTRATION", (str(directory),))
        monkeypatch.setenv("PATH", "/nonexistent")
        monkeypatch.setattr("pwd.getpwnam", self.look_up)
        monkeypatch.setattr("subprocess.run", self.run)
        self.program = program

    def look_up(self, name: str) -> pwd.struct_passwd:
        if not self.made:
            raise KeyError(name)
        return pwd.getpwuid(os.getuid())

    def run(self, command: list[str], **_: object) -> None:
        assert command == [str(self.program), "--system", "pgserver"]
        self.made.append(is_locked(postgres_cluster.ACCOUNTS))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_the_account_of_the_server_is_made_by_one_process_at_a_time(machine: Machine) -> None:
    """Two runs of `useradd` at once give one name two numbers, of which the last remains."""
    account = postgres_cluster._ensure_account()

    assert account is not None
    assert account.uid == os.getuid()
    assert machine.made == [True]


def test_an_account_that_is_there_is_not_made_again(machine: Machine) -> None:
    first = postgres_cluster._ensure_account()

    assert postgres_cluster._ensure_account() == first
    assert len(machine.made) == 1


def test_without_the_means_to_make_an_account_none_is_made(machine: Machine) -> None:
    machine.program.unlink()

    assert postgres_cluster._ensure_account() is None
    assert machine.made == []


def is_locked(directory: Path) -> bool:
    """Whether another holds the directory."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@pytest.mark.parametrize("name", ["with a space", "x" * 120, "é" * 60])
def test_any_path_will_do(data_dir: Path, name: str) -> None:
    directory = data_dir.rename(data_dir.parent / name)
    try:
        server = EmbeddedServer.start(directory)

        assert ask(server.url, "SELECT 1") == 1
        server.release()

        assert postmaster(directory) is None
    finally:
        end_server(directory)


def test_two_processes_share_a_directory_with_a_long_path(data_dir: Path) -> None:
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


def test_no_other_user_of_the_machine_reaches_the_socket(data_dir: Path) -> None:
    server = EmbeddedServer.start(data_dir)

    directory = data_dir / "postgres"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / postgres_cluster.SOCKET_NAME).stat().st_mode & 0o777 == 0o700
    server.release()


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(data_dir: Path) -> None:
    server = EmbeddedServer.start(data_dir)
    process = postmaster(data_dir)

    assert process is not None
    assert os.getsid(process.pid) != os.getsid(0)
    assert os.getpgid(process.pid) != os.getpgid(0)
    server.release()


@pytest.mark.parametrize("kind", ["other program", "nobody", "nonsense", "nothing"])
def test_a_stale_pid_file_is_not_believed(data_dir: Path, kind: str) -> None:
    directory = data_dir / "postgres"
    bystander = subprocess.Popen(
        ["/bin/cat"],
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
        bystander.communicate()


def test_a_server_that_was_killed_is_started_again(data_dir: Path) -> None:
    first = EmbeddedServer.start(data_dir)
    killed = postmaster(data_dir)
    assert killed is not None
    family = [killed, *killed.children(recursive=True)]
    killed.kill()
    wait_until(lambda: not any(alive(one) for one in family))

    second = EmbeddedServer.start(data_dir)

    assert ask(second.url, "SELECT 1") == 1
    first.release()
    second.release()
    assert postmaster(data_dir) is None


def test_a_setup_that_was_killed_halfway_is_begun_anew() -> None:
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


def test_what_lies_above_the_directory_is_not_opened_to_read() -> None:
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
