"""Knows the name of this installation's command line, for all messages that name a command."""

from pathlib import Path

_ROOT = Path(__file__).parents[2]


def program(root: Path) -> str:
    """Return the words that a person types before the name of a command.

    Args:
        root: the directory that holds ``runtime``: a checkout, or where pip puts packages.
    """
    # Not sys.argv: most messages are stored by a service, or raised in an application, and are read
    # by a person who started neither.
    is_checkout = (root / "pyproject.toml").is_file()
    return "python run.py" if is_checkout else "marketplace-runtime"


PROGRAM = program(_ROOT)
"""A person types this before the name of a command, as in ``f"`{PROGRAM} jobs list`"``."""
