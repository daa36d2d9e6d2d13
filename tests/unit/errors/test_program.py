"""The name of the command line is known in one place, and every message names it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import JobNotFound, NotAuthorized
from runtime.errors.program import PROGRAM, program
from tests.support.checkout import CHECKOUT

KNOWS = "runtime/errors/program.py"
NAME = re.compile(r"run\.py|`marketplace-runtime ")


def messages(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("package", ["runtime", "actors", "plugins"])
def test_no_message_names_the_command_line_by_itself(package: str) -> None:
    files = {
        one.relative_to(CHECKOUT).as_posix(): one for one in CHECKOUT.glob(f"{package}/**/*.py")
    }
    assert files
    naming = [name for name, path in files.items() if any(map(NAME.search, messages(path)))]
    assert naming == [KNOWS] * (package == "runtime")


def test_in_a_checkout_it_is_the_file_and_where_pip_put_it_the_script(tmp_path: Path) -> None:
    assert program(tmp_path) == "marketplace-runtime"
    (tmp_path / "run.py").touch()
    assert program(tmp_path) == "marketplace-runtime", "pip puts this file there, too"
    (tmp_path / "pyproject.toml").touch()
    assert program(tmp_path) == "python run.py"
    assert program(CHECKOUT) == PROGRAM


def test_a_message_names_the_command_as_it_is_typed_here() -> None:
    assert (
        str(JobNotFound(5)) == "job 5 does not exist; `python run.py jobs list` shows those that do"
    )
    assert "(`python run.py shops connect etsy`)" in str(NotAuthorized(2, "etsy", "revoked"))
