"""A public module loads no library that its users do not need."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("runtime", ["sqlalchemy", "psycopg2", "eventlet", "pykka", "http.server"]),
        ("runtime.answers", ["sqlalchemy", "psycopg2", "eventlet", "pykka", "http.server"]),
        ("runtime.sandbox", ["sqlalchemy", "psycopg2", "eventlet", "pykka"]),
        ("runtime.store", ["eventlet", "pykka"]),
        ("runtime.applications", ["eventlet", "pykka"]),
    ],
)
def test_a_module_loads_no_more_than_it_needs(module: str, heavy: list[str]) -> None:
    code = f"import {module}, sys; print([one for one in {heavy} if one in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
