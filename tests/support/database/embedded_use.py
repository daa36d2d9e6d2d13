"""Using the embedded server from other processes, and looking at it from outside."""

import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg2
from sqlalchemy import make_url

# Starts a server, says so, and releases it when its standard input ends.
USER = """
import sys
from pathlib import Path
from runtime.storage.server.embedded import EmbeddedServer
server = EmbeddedServer.start(Path(sys.argv[1]))
print(server.url, flush=True)
sys.stdin.read()
server.release()
"""


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


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
