"""doctor --structure checks whether migrations, action types and handlers fit together."""

from collections.abc import Iterator

from runtime.cli.checkup import Finding, check_migrations
from runtime.errors import MarketplaceRuntimeError
from runtime.handlers.consistency import ChecklistLine, checklist
from runtime.handlers.registry import Registry, load_registry
from runtime.process.config import Settings
from runtime.storage.queue.action_types import known_pairs
from runtime.storage.server.engine import database_errors, open_database


def examine_structure(settings: Settings, registry: Registry | None = None) -> Iterator[Finding]:
    """Go through the checklist; the points that depend on a failed point are skipped.

    Args:
        registry: by default the installed handler plugins.
    """
    try:
        database = open_database(settings)
    except MarketplaceRuntimeError as error:
        yield Finding("database", "failed", str(error))
        yield Finding("structure", "skipped", "needs the database")
        return
    try:
        try:
            yield Finding("migrations", "ok", check_migrations(database, settings))
        except MarketplaceRuntimeError as error:
            yield Finding("migrations", "failed", str(error))
            yield Finding("structure", "skipped", "needs the tables")
            return
        with database_errors(), database.session() as session:
            pairs = known_pairs(session)
        handlers = load_registry() if registry is None else registry
        for line in checklist(pairs, handlers):
            yield _finding(line)
    finally:
        database.dispose()


def _finding(line: ChecklistLine) -> Finding:
    if line.wrong:
        return Finding(line.name, "failed", "; ".join(line.wrong))
    return Finding(line.name, "ok", line.detail)
