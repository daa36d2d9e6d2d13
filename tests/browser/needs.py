"""The programs that these tests need: without them they are skipped, and in CI they fail."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

REQUIRED = "REQUIRE_BROWSER_TESTS"
OLDEST_NODE = 18


def missing(what: str) -> NoReturn:
    """Skip the test, or fail it where everything has to be there."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{what}, and {REQUIRED} is set", pytrace=False)
    pytest.skip(what)


def node() -> str:
    """The program that runs JavaScript."""
    found = shutil.which("node")
    if found is None:
        missing("there is no Node.js here")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.lstrip("v").split(".")[0]) < OLDEST_NODE:
        missing(f"Node.js {said.strip()} is too old: {OLDEST_NODE} or later is needed")
    return found


def npm() -> str:
    """The program that installs packages for it."""
    node()
    found = shutil.which("npm")
    if found is None:
        missing("there is no npm here")
    return found


def chromium() -> tuple[Path, Path]:
    """The browser, and what drives it."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        missing("there is no chromium with its chromedriver here")
    return Path(browser), Path(driver)
