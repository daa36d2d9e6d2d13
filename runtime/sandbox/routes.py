"""Finds the operation that a method and a path mean."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from runtime.sandbox.exchange import Answer, Request


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose operation was found.

    Attributes:
        path: the values of the template's variables, decoded.
    """

    request: Request
    path: dict[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """An operation that a sandbox carries out.

    Attributes:
        operation: the name in the marketplace's own document.
        template: a path such as ``/offer/{offerId}``, in which a variable is a whole segment.
        scopes: the scopes of which a token needs one; if there are none, no token is looked at.
        carry_out: carries the operation out.
    """

    operation: str
    method: str
    template: str
    scopes: frozenset[str]
    carry_out: Callable[[Call], Answer]


def find(routes: Iterable[Route], request: Request) -> tuple[Route, Call] | None:
    """Return the operation that the request means; literal segments win over variables."""
    found: tuple[int, Route, dict[str, str]] | None = None
    for route in routes:
        if route.method != request.method:
            continue
        variables = matched(route.template, request.path)
        if variables is not None and (found is None or len(variables) < found[0]):
            found = len(variables), route, variables
    return (found[1], Call(request, found[2])) if found else None


def matched(template: str, path: str) -> dict[str, Any] | None:
    """Return the values of the template's variables if the percent-encoded path fits; or None."""
    # The path is split before it is decoded: a SKU may hold a slash, which is percent-encoded then.
    wanted, given = template.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    variables = {}
    for pattern, segment in zip(wanted, given, strict=True):
        if pattern.startswith("{"):
            if not segment:
                return None
            variables[pattern[1:-1]] = unquote(segment)
        elif pattern != segment:
            return None
    return variables
