"""The parts of simulated marketplaces import nothing that has to be installed."""

import ast
import sys

from tests.support.checkout import CHECKOUT

ITS_OWN = {"runtime"}


def test_a_simulated_marketplace_needs_the_standard_library_alone() -> None:
    imported = set()
    for file in (CHECKOUT / "runtime" / "sandbox").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").split(".")[0])
    assert imported - ITS_OWN <= sys.stdlib_module_names
    assert imported
