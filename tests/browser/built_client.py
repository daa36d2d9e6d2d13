"""The client, built from its sources as they are."""

import fcntl
import subprocess
from pathlib import Path

from tests.browser.needs import missing, npm
from tests.support.checkout import CHECKOUT

CLIENT = CHECKOUT / "clients" / "browser"
DIST = CLIENT / "dist"
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH")


def build() -> Path:
    """Install and build what is not up to date, one test process at a time; gives ``dist``."""
    program = npm()
    with (CLIENT / "package.json").open() as only_one:
        fcntl.flock(only_one, fcntl.LOCK_EX)
        lock = CLIENT / "package-lock.json"
        if not _is_newer(CLIENT / "node_modules" / ".package-lock.json", [lock]):
            _install(program)
        sources = [lock, CLIENT / "package.json", CLIENT / "tsconfig.json"]
        if not _is_newer(DIST / "relay.global.js", [*sources, *(CLIENT / "src").iterdir()]):
            _run(program, "run", "build")
    return DIST


def run_script(name: str) -> None:
    """One of the package's own scripts; it must succeed."""
    _run(npm(), "run", name)


def _install(program: str) -> None:
    done = subprocess.run(
        [program, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=CLIENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if any(sign in done.stderr for sign in UNREACHABLE):
        missing("no npm registry can be reached from here")
    assert done.returncode == 0, done.stderr


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=CLIENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"


def _is_newer(made: Path, sources: list[Path]) -> bool:
    return made.exists() and made.stat().st_mtime >= max(one.stat().st_mtime for one in sources)
