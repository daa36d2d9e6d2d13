"""One command for each thing a developer does; ``nox -l`` lists them all.

The sessions run the tools of the environment that nox itself is installed in, so that they begin
at once.
"""

import re
import sys
from pathlib import Path

import nox

CHECKOUT = Path(__file__).parent
TOOLS = Path(sys.executable).parent

nox.options.default_venv_backend = "none"
nox.options.sessions = ["format", "lint", "types", "unit"]


def _run(session: nox.Session, tool: str, *arguments: str) -> None:
    """Run a tool of the environment that nox is installed in."""
    session.run(str(TOOLS / tool), *arguments, external=True)


def _documented(name: str) -> str:
    """The README's command of this name, so that what is promised there is what is run."""
    block = re.search(
        rf"<!-- command: {name} -->\n```bash\n(.+)\n```", (CHECKOUT / "README.md").read_text()
    )
    assert block is not None, f"The README has no command of the name {name}"
    return block.group(1)


@nox.session(name="format")
def format_(session: nox.Session) -> None:
    """Format the code; with ``-- --check``, only name what is not formatted."""
    _run(session, "ruff", "format", *session.posargs, ".")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and the directions of imports."""
    _run(session, "ruff", "check", *session.posargs, ".")
    _run(session, "lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the code."""
    _run(session, "mypy", *session.posargs)


@nox.session
def unit(session: nox.Session) -> None:
    """Run the fast tests, which need no database."""
    _run(session, "pytest", "-n", "auto", *(session.posargs or ["tests/unit"]))


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests by the README's own command."""
    session.run("bash", "-c", _documented("test"), external=True)


@nox.session
def demo(session: nox.Session) -> None:
    """Play the README's demonstration on simulated marketplaces."""
    session.run("bash", "-c", _documented("run"), external=True)
