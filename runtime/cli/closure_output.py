"""Prints closures for a person or a program."""

from collections.abc import Sequence

from runtime.cli.output import print_json, print_line
from runtime.jobs.views import closure_view
from runtime.rate_limits.closures import Closure, in_words


def print_closed(closure: Closure, as_json: bool) -> None:
    """Print a new closure."""
    if as_json:
        print_json(closure_view(closure))
    else:
        print_line(f"closed {in_words(closure)}")


def print_opened(what: str, opened: Sequence[Closure], as_json: bool) -> None:
    """Print the closures that were ended."""
    if as_json:
        print_json([closure_view(one) for one in opened])
    elif not opened:
        print_line(f"{what} was not closed")
    for one in () if as_json else opened:
        print_line(f"opened {in_words(one)}")
