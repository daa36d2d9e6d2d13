"""Checks whether action types and handlers fit together; the module is pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runtime.errors.program import PROGRAM
from runtime.handlers.registry import Registry, action_of, marketplace_of
from runtime.runs.job import handler_key

Pair = tuple[str, str]
"""A marketplace and the code of an action."""


@dataclass(frozen=True, slots=True)
class ChecklistLine:
    """One line of the checklist.

    Attributes:
        wrong: the problems, each with its way out; empty if there is none.
    """

    name: str
    detail: str
    wrong: tuple[str, ...] = ()


def checklist(pairs: Iterable[Pair], registry: Registry) -> Iterator[ChecklistLine]:
    """Look at the handlers of each marketplace, at the action types, and at how keys are made.

    Args:
        pairs: the action types that stand in the database.
    """
    known = sorted(set(pairs))
    keys = [handler_key(code, marketplace) for marketplace, code in known]
    for marketplace in sorted({one for one, _ in known} | set(registry.marketplaces)):
        yield _handlers(marketplace, known, registry)
    yield _action_types(keys, registry)
    yield _construction(known)


def _handlers(marketplace: str, known: list[Pair], registry: Registry) -> ChecklistLine:
    """Check that every action of the marketplace has a handler that could be loaded."""
    wanted = [handler_key(code, name) for name, code in known if name == marketplace]
    # A handler that is installed and broken is told apart from one that is not installed at all.
    reasons = {one.key: one.reason for one in registry.records if one.reason}
    wrong = tuple(
        f"{key} has no handler ({reasons.get(key, 'no installed handler plugin has that key')})"
        for key in wanted
        if key not in registry.handlers
    )
    there = [key for key in wanted if key in registry.handlers]
    detail = f"{len(there)} of {len(wanted)}"
    return ChecklistLine(f"{marketplace} handlers", f"{detail}: {', '.join(there)}", wrong)


def _action_types(keys: list[str], registry: Registry) -> ChecklistLine:
    """Check that every handler has its row; this also names handlers that were not loaded."""
    wrong = [
        f"{key} has a handler and no row ({action_of(key)} on {marketplace_of(key)}): "
        f"`{PROGRAM} serve` inserts it"
        for key in sorted(registry.handlers.keys() - set(keys))
    ]
    # A key with a row is complained of among its marketplace's handlers already.
    wrong += [
        f"{one.key} has no row and could not be loaded ({one.reason})"
        for one in registry.records
        if one.reason and one.key not in keys
    ]
    return ChecklistLine(
        "action types", f"{len(keys)} in public.marketplace_action_types", tuple(wrong)
    )


def _construction(known: list[Pair]) -> ChecklistLine:
    """Check that the key which is made of each pair is read as that pair again."""
    wrong = []
    for marketplace, code in known:
        # The table is shared with the application, which may insert names that make such a key.
        key = handler_key(code, marketplace)
        if (marketplace_of(key), action_of(key)) != (marketplace, code):
            wrong.append(
                f"{code} on {marketplace} gives the key {key}, which is read as {action_of(key)} "
                f"on {marketplace_of(key)}: a marketplace's name has no underscore"
            )
    example = f", such as {handler_key(known[0][1], known[0][0])}" if known else ""
    return ChecklistLine("handler keys", f"<action>_<marketplace>{example}", tuple(wrong))
