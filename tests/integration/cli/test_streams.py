"""The command line where nobody reads its standard error, and how signals end it."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL

from runtime.storage.schema.migrator import MIGRATION_LOCK
from runtime.storage.server.engine import Database
from tests.support.checkout import CHECKOUT
from tests.support.deadline import wait_until
from tests.support.processes.commands import PATIENCE_SECONDS, on_database
from tests.support.processes.service_process import Installation

ENVIRONMENT = {"PYTHONPATH": str(CHECKOUT), "PATH": os.environ["PATH"]}
WAITS = (
    "from runtime.cli.stop_signals import StopSignals\n"
    "import threading\n"
    "with StopSignals() as stop:\n"
    "    print('up', flush=True)\n"
    "    stop.wait()\n"
    "    print('stopping', flush=True)\n"
    "    threading.Event().wait(60)\n"
)
LOGS = (
    "from runtime.process.config import Settings\n"
    "from runtime.process.logs import configure_logging\n"
    "import structlog\n"
    "configure_logging(Settings())\n"
    "for number in range(2000):\n"
    "    structlog.get_logger('streams').warning('line', number=number, filling='x' * 500)\n"
    "print('done', flush=True)\n"
)


def _nobody_reads(_reader: int, writer: int) -> None:
    """Fill the pipe."""
    flags = fcntl.fcntl(writer, fcntl.F_GETFL)
    fcntl.fcntl(writer, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        fcntl.fcntl(writer, fcntl.F_SETFL, flags)


def _reader_ends(reader: int, _writer: int) -> None:
    """Close the end that is read."""
    # The number stays taken, because the test closes it in the end.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, reader)
    os.close(nothing)


BROKEN = pytest.mark.parametrize("break_", [_nobody_reads, _reader_ends])
Break = Callable[[int, int], None]


@BROKEN
def test_a_second_signal_ends_at_once_though_nobody_reads_standard_error(break_: Break) -> None:
    reader, writer = os.pipe()
    break_(reader, writer)
    with subprocess.Popen(
        (sys.executable, "-c", WAITS), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=writer
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == b"stopping\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_SECONDS) == 130
        finally:
            process.kill()
            os.close(reader)
            os.close(writer)


@BROKEN
def test_a_log_that_nobody_reads_holds_nothing_up(break_: Break) -> None:
    reader, writer = os.pipe()
    break_(reader, writer)
    with subprocess.Popen(
        (sys.executable, "-c", LOGS), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=writer
    ) as process:
        try:
            assert process.communicate(timeout=PATIENCE_SECONDS)[0] == b"done\n"
            assert process.returncode == 0
        finally:
            process.kill()
            os.close(reader)
            os.close(writer)


def test_a_service_runs_without_standard_error(tmp_path: Path, database_url: URL) -> None:
    given = on_database(tmp_path, database_url)
    closed = Installation(
        given.data_dir,
        ("/bin/sh", "-c", 'exec "$0" "$@" 2>&-', sys.executable, str(CHECKOUT / "run.py")),
    )
    closed.environment = {**given.environment, "RUNTIME_BRIDGE_PORT": str(closed.port)}
    with closed.serving() as process:
        assert process.poll() is None


def test_a_hangup_stops_the_service_in_order(tmp_path: Path, database_url: URL) -> None:
    given = on_database(tmp_path, database_url)
    # A test run that nohup began would hand on that the signal is ignored.
    heeding = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    cli = Installation(given.data_dir, (sys.executable, "-c", heeding, str(CHECKOUT / "run.py")))
    cli.environment = {**given.environment, "RUNTIME_BRIDGE_PORT": str(cli.port)}
    with cli.serving() as process:
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert '"stopped"' in cli.logged()


def test_a_signal_ends_the_wait_for_a_migration(
    tmp_path: Path, empty_database: Database, empty_database_url: URL
) -> None:
    cli = on_database(tmp_path, empty_database_url)
    with closing(empty_database.direct_connection()) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        process = cli.start(("serve",), cli.environment, cli.log, cli.log)
        try:
            wait_until(lambda: "waiting for it" in cli.logged())
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_SECONDS) == 0, cli.logged()
        finally:
            process.kill()
