"""Commands for tests: on a database of their own, refused, or still running."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from tests.support.processes.service_process import Installation, WarmInstallation

PATIENCE_SECONDS = 60.0


def on_database(directory: Path, url: URL) -> Installation:
    """Commands with a data directory below that one, on that database."""
    installation = WarmInstallation(directory / "data")
    database_url = url.render_as_string(hide_password=False)
    installation.environment["RUNTIME_DATABASE_URL"] = database_url
    return installation


def refused(done: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """The one line of an error; nothing else was said, and nothing on standard output."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "Traceback" not in line
    return line.removeprefix("error: ")


@contextmanager
def running(*command: str, env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on for a while; killed if it still does at the end."""
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
