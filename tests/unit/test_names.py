"""Names: one that two modules or two classes share stands for one thing on several levels."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

SHARED = {
    "action_types": "the table, and the queries on it",
    "backup": "the command, and the dump that it makes",
    "bridge": "the actor, and the package of its mechanism",
    "calls": "the values that a handler yields, their messages, and their failures",
    "claims": "the statement, the messages that ask for it, and who asks",
    "closures": "the values, and the messages that carry them",
    "demo": "the command, and the part that each marketplace plays in it",
    "errors": "the errors of the runtime, of a plugin, and of a simulated marketplace",
    "faults": "the faults of every simulated marketplace, and those that Vinted adds",
    "former_system": "the meaning of former rows, and the queries that read them",
    "handlers": "the package, and the command",
    "http": "the actor, and the package of its mechanism",
    "inventory": "the calls to a marketplace, and their simulation",
    "jobs": "the package, the table, and the command",
    "marketplace": "the actor, and the record that a plugin gives it",
    "marketplaces": "the package, and the command",
    "node": "a process that runs jobs: a service, or one job by itself",
    "nodes": "the queries, and their tables",
    "oauth": "the client, and the simulated authorization server",
    "offers": "the calls to a marketplace, and their simulation",
    "orders": "the calls to a marketplace, and their simulation",
    "pace": "when calls leave: those of a service, and those of one job by itself",
    "processor": "the class of the former system, and its subclass for Vinted",
    "products": "the package, and the command",
    "rate_limits": "the mechanism, and the figures of one marketplace",
    "runs": "the package, the errors that end a run, and the actor's part",
    "sandbox": "the building blocks, and the simulated marketplace of each plugin",
    "sellers": "the choice of a seller, and the query below it",
    "selling": "the queries, and their tables",
    "server": "a process that listens: PostgreSQL, or a simulated marketplace",
    "settings": "the settings of a shop, and those that a marketplace declares for it",
    "shops": "the package, the table, the command, and the takeover of former shops",
    "targets": "the listings of a job, and their ids on one marketplace",
}


def _homes() -> dict[str, set[str]]:
    """The directories of each name; all plugins count as one place, since they are built alike."""
    homes = defaultdict(set)
    for top in ("runtime", "actors", "plugins"):
        for path in (ROOT / top).rglob("*.py"):
            named = path.parent if path.name == "__init__.py" else path.with_suffix("")
            home = named.relative_to(ROOT).parent.parts
            homes[named.name].add("/".join(home if top != "plugins" else ("plugins", *home[2:])))
    return homes


def test_modules_that_share_a_name_are_one_thing_on_several_levels() -> None:
    shared = {name: sorted(homes) for name, homes in _homes().items() if len(homes) > 1}
    unknown = {name: homes for name, homes in shared.items() if name not in SHARED}
    assert not unknown, "give each of these a name of its own, or say in SHARED what they share"
    assert set(SHARED) == set(shared), "these names in SHARED belong to one module alone by now"


SHARED_CLASSES = {
    "Answer": {
        "runtime/runs/answer.py": "the answer of a marketplace, as its record reads it",
        "runtime/sandbox/exchange.py": "the same, as a simulated marketplace gives it",
    },
    "Call": {
        "runtime/runs/calls.py": "a call, as a handler awaits it",
        "runtime/sandbox/routes.py": "the same, as it reaches a simulated marketplace",
    },
    "Conversation": {
        "runtime/storage/models/selling.py": "the row of a conversation",
        "plugins/vinted/protocol.py": "the same, as Vinted's page tells it",
    },
    "Order": {
        "runtime/storage/models/selling.py": "the row of an order",
        "plugins/vinted/protocol.py": "the same, as Vinted's page tells it",
    },
    "Shop": {
        "runtime/storage/models/shops.py": "the row of a shop",
        "runtime/runs/job.py": "the same, as a handler is given it",
    },
}
"""All of these are documented: in ``docs/public_api.md``, or as shapes in ``docs/protocol.md``."""


def _classes(*tops: str) -> Iterator[tuple[str, str]]:
    """Yield each class with its file; a class within another one is named through that one."""
    for top in tops:
        for path in sorted((ROOT / top).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    yield node.name, path.relative_to(ROOT).as_posix()


def test_classes_that_share_a_name_are_one_thing_on_two_levels() -> None:
    files = defaultdict(list)
    for name, file in _classes("runtime", "actors", "plugins"):
        files[name].append(file)
    shared = {name: sorted(where) for name, where in files.items() if len(where) > 1}
    allowed = {name: sorted(levels) for name, levels in SHARED_CLASSES.items()}
    unknown = {name: where for name, where in shared.items() if where != allowed.get(name)}
    assert not unknown, "give each of these a name of its own, or say in SHARED_CLASSES why not"
    assert allowed == shared, "these names in SHARED_CLASSES belong to one class alone by now"


def test_what_supports_tests_has_no_name_of_the_code() -> None:
    code = dict(_classes("runtime", "actors", "plugins"))
    alike = {name: file for name, file in _classes("tests/support") if name in code}
    assert not alike, "a reader of a test takes these for the classes of the code"
