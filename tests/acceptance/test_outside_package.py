"""Somebody else's handler: a package of its own, installed with pip beside the runtime."""

import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.support.checkout import CHECKOUT
from tests.support.deadline import wait_until
from tests.support.processes.service_process import Installation

PYPROJECT = """
    [build-system]
    requires = ["setuptools>=77"]
    build-backend = "setuptools.build_meta"

    [project]
    name = "example-runtime"
    version = "1.0"
    dependencies = ["marketplace-runtime"]

    [project.entry-points."marketplace_runtime.handlers"]
    ping_example = "example_runtime.ping"
    pong_other = "example_runtime.broken"

    [tool.setuptools]
    packages = ["example_runtime"]
"""

PING = '''
    """ping_example: answer with what was sent."""
    from runtime import BaseJobHandler, hookimpl
    from runtime.store import checked_listing, record_listing


    class PingExample(BaseJobHandler):
        async def execute(self, job):
            await self.sleep(0.01)
            listing = checked_listing("L-1", data={"id": "L-1"})
            known = await self.transaction("record", record_listing, self.shop_id, listing)
            return {"success": True, "pong": job.input_data.get("ping"), "recorded": known > 0}


    @hookimpl
    def job_handler():
        return PingExample
'''


def write_package(directory: Path) -> Path:
    """The sources of the outside package."""
    package = directory / "example"
    (package / "example_runtime").mkdir(parents=True)
    (package / "pyproject.toml").write_text(textwrap.dedent(PYPROJECT))
    (package / "example_runtime" / "__init__.py").touch()
    (package / "example_runtime" / "ping.py").write_text(textwrap.dedent(PING))
    (package / "example_runtime" / "broken.py").write_text("import nothing_of_that_name\n")
    return package


def copy_of_the_project(directory: Path) -> Path:
    """A copy to build from, because pip would leave its traces in the checkout."""
    copy = directory / "project"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "run.py"):
        shutil.copy(CHECKOUT / name, copy)
    for name in ("runtime", "actors", "plugins", "migrations"):
        shutil.copytree(CHECKOUT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the runtime and the outside package in it.

    What they depend on is taken from the environment of the tests, unless it is to be thorough.
    """
    directory = tmp_path_factory.mktemp("outside")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory / "venv"], check=True)
    alone = [] if os.environ.get("THOROUGH") else ["--no-deps"]
    if alone:
        (packages,) = (directory / "venv" / "lib").glob("python3*/site-packages")
        (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    installed = subprocess.run(
        [
            sys.executable, "-m", "pip", "--python", directory / "venv" / "bin" / "python",
            "install", "--quiet", "--no-compile", *alone,
            copy_of_the_project(directory), write_package(directory),
        ],
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "No matching distribution" in installed.stderr or "ConnectionError" in installed.stderr:
        pytest.skip("no package index can be reached from here")
    assert installed.returncode == 0, installed.stderr
    return directory / "venv"


@pytest.fixture
def installation(environment: Path, database_url: URL, tmp_path: Path) -> Installation:
    command = (str(environment / "bin" / "marketplace-runtime"),)
    made = Installation(tmp_path / "data", command)
    made.environment["RUNTIME_DATABASE_URL"] = database_url.render_as_string(hide_password=False)
    return made


@pytest.mark.timeout(300)
def test_the_job_of_an_outside_package_runs(installation: Installation) -> None:
    handlers = {one["key"]: one for one in installation.json("handlers", "list")}
    assert handlers["ping_example"]["status"] == "loaded"
    assert handlers["ping_example"]["distribution"] == "example-runtime 1.0"
    assert handlers["sync_vinted"]["status"] == "loaded"
    assert handlers["pong_other"]["status"] == "failed"
    assert "nothing_of_that_name" in handlers["pong_other"]["reason"]

    shop = installation.json("shops", "add", "example", "--user", "7", "--external-id", "a")
    job = installation.json(
        "jobs", "create", "example", "ping", "--shop", str(shop["id"]), "--input", '{"ping": 5}'
    )
    with installation.serving():
        ended = wait_until(
            lambda: (
                (now := installation.json("jobs", "show", str(job["id"])))["completed_at"] and now
            ),
            30,
        )
    assert ended["status"] == "completed"
    assert ended["result"] == {"success": True, "pong": 5, "recorded": True}


def test_a_message_names_the_command_that_pip_installed(installation: Installation) -> None:
    refused = installation.run("jobs", "show", "5", check=False)
    assert "`marketplace-runtime jobs list` shows those that do" in refused.stderr


def test_the_wheel_holds_no_tests(environment: Path) -> None:
    (packages,) = (environment / "lib").glob("python3*/site-packages")
    assert (packages / "run.py").exists()
    assert (packages / "migrations" / "script.py.mako").exists()
    assert not (packages / "tests").exists()
