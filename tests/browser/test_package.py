"""The package as a front-end developer gets it."""

import json
import subprocess
from pathlib import Path

from tests.browser.built_client import CLIENT, run_script
from tests.browser.needs import node


def test_its_own_tests_pass(dist: Path) -> None:
    tests = sorted(map(str, (CLIENT / "test").glob("*.test.js")))
    done = subprocess.run([node(), "--test", *tests], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_its_types_hold(dist: Path) -> None:
    run_script("typecheck")


def test_everything_it_promises_is_built(dist: Path) -> None:
    package = json.loads((CLIENT / "package.json").read_text())
    promised = [
        package["main"],
        package["types"],
        package["unpkg"],
        *package["exports"]["."].values(),
        package["exports"]["./relay.global.js"],
    ]
    assert all((CLIENT / one).is_file() for one in promised)
    assert list(package["dependencies"]) == ["socket.io-client"]
