"""Dumps the database with PostgreSQL's own program."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg2.extensions import make_dsn
from sqlalchemy import URL, make_url

from runtime.errors import ConfigurationError, DatabaseUnavailable, InputError
from runtime.process.config import Settings
from runtime.storage.server.diagnosis import server_version
from runtime.storage.server.engine import Database
from runtime.storage.server.postgres_cluster import load_programs

PROGRAM = "pg_dump"
# Without a limit pg_dump waits for ever for a table that somebody locks.
LOCK_WAIT = "30s"


@dataclass(frozen=True, slots=True)
class Dump:
    """The result of a dump.

    Attributes:
        size: the size of the file in bytes.
        restore: the path of a ``pg_restore`` that can read the file; an older one cannot.
    """

    size: int
    restore: str


def dump(database: Database, settings: Settings, target: Path, *, overwrite: bool) -> Dump:
    """Write the whole database to a file, in PostgreSQL's custom format.

    Others can work on the database meanwhile. The file appears complete or not at all.

    Raises:
        InputError: the file exists already, or cannot be written.
        ConfigurationError: no suitable ``pg_dump`` is installed.
        DatabaseUnavailable: the dump failed.
    """
    program = _program(settings, server_version(database))
    with _draft(target, overwrite=overwrite) as draft:
        _run(program, _connection(database, settings), draft)
        return Dump(draft.stat().st_size, str(Path(program).with_name("pg_restore")))


def _program(settings: Settings, version: str) -> str:
    """Return a ``pg_dump`` that is as new as the server; an older one refuses to dump it."""
    found = []
    for candidate in _candidates(settings):
        said = subprocess.run(  # noqa: S603 - PostgreSQL's own program
            [candidate, "--version"], capture_output=True, text=True, check=False
        ).stdout
        number = re.search(r"\d+", said)
        if number and int(number[0]) >= int(version.partition(".")[0]):
            return candidate
        found.append(f"{candidate} is {number[0] if number else 'unusable'}")
    raise ConfigurationError(
        f"a backup of PostgreSQL {version} needs {PROGRAM} of the same or a later version "
        f"({'; '.join(found) or 'none is installed'}): install PostgreSQL's client programs"
    )


def _candidates(settings: Settings) -> Iterator[str]:
    # The embedded server comes with programs of its own version.
    on_path = shutil.which(PROGRAM) if settings.database_url is not None else None
    if on_path is not None:
        yield on_path
    with contextlib.suppress(DatabaseUnavailable):
        yield str(load_programs().bin / PROGRAM)


def _connection(database: Database, settings: Settings) -> dict[str, Any]:
    """Return the connection parameters of libpq, the password included."""
    # A transaction-pooling proxy does not keep the session that pg_dump's snapshot lives in.
    url: URL = database.engine.url
    if settings.database_direct_url is not None:
        url = make_url(settings.database_direct_url.get_secret_value())
        url = url.set(drivername=database.engine.url.drivername)
    return dict(url.get_dialect()().create_connect_args(url)[1])


def _run(program: str, connection: dict[str, Any], target: Path) -> None:
    password = connection.pop("password", None)
    environment = dict(os.environ)
    if password is not None:
        # The password is no argument, because everybody on the machine can read arguments.
        environment["PGPASSWORD"] = str(password)
    done = subprocess.run(  # noqa: S603 - no shell, and arguments of our own making
        [
            *(program, "--format=custom", "--no-password", f"--lock-wait-timeout={LOCK_WAIT}"),
            *(f"--file={target}", f"--dbname={make_dsn(**connection)}"),
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise DatabaseUnavailable(f"the backup failed, nothing was written ({said})")


@contextlib.contextmanager
def _draft(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Open a file that nobody else can read, and move it to the target in the end."""
    _refuse_existing(target, overwrite=overwrite)
    # The draft lies beside the target, because a file is moved as a whole only within one file
    # system.
    draft = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            yield draft
            # A dump takes long, so another one may have made the file meanwhile.
            _refuse_existing(target, overwrite=overwrite)
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"the backup {target} cannot be written ({error.strerror}): name a file in a "
            "directory that exists and is writable"
        ) from None


def _refuse_existing(target: Path, *, overwrite: bool) -> None:
    if target.is_dir():
        raise InputError(f"{target} is a directory: name a file in it")
    if target.exists() and not overwrite:
        raise InputError(f"{target} exists already: name another file, or add --force")
