"""The composition root: brings actors, handler plugins and the command line together."""

import sys

from runtime.cli.app import run
from runtime.cli.composition import Parts, Service
from runtime.handlers.registry import Registry
from runtime.process.config import Settings
from runtime.storage.server.engine import Database


def main() -> None:
    """Run the console script ``marketplace-runtime``."""
    sys.exit(run(Parts(make_service=_make_service)))


def _make_service(settings: Settings, database: Database, registry: Registry) -> Service:
    # Imported late: most commands need no actors, and should not wait for eventlet.
    from actors.node import Node

    return Node(settings, database, registry)


if __name__ == "__main__":
    main()
