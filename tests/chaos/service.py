"""A whole service with the chaos handlers, as a process that may be killed at any time.

``python -m tests.chaos.service [--without fence|intent|settles_within|not_after]``; the
marketplace's URL is in ``CHAOS_MARKETPLACE``. With ``CHAOS_FAIL_ACTOR`` set, the marketplace
actor fails once, soon after the start. With ``CHAOS_CLOSE_ACTION`` set, an action that nobody
uses is closed.
"""

import os
import sys
from datetime import UTC, datetime
from typing import Any

from actors.marketplace import MarketplaceActor
from actors.node import Node
from runtime.cli.stop_signals import StopSignals
from runtime.messages import RECORDER, RecordClosure, marketplace_actor
from runtime.process.config import load_settings
from runtime.process.logs import configure_logging
from runtime.rate_limits import closures
from runtime.storage.server.engine import open_database
from tests.chaos.broken import BROKEN
from tests.chaos.handlers import chaos_registry
from tests.chaos.pace import quicken
from tests.support.deadline import wait_until


class _Bomb:
    """A message that ends its actor."""


def _fail_actor(node: Node) -> None:
    sound = MarketplaceActor.receive

    def receive(self: MarketplaceActor, message: Any) -> None:
        if isinstance(message, _Bomb):
            raise RuntimeError("it was told to fail")
        sound(self, message)

    MarketplaceActor.receive = receive  # type: ignore[method-assign]
    name = marketplace_actor("chaos")
    wait_until(lambda: node._directory.find(name))
    node._directory.tell(name, _Bomb())


def _close_action(node: Node) -> None:
    unused = closures.Scope("chaos", closures.Level.ACTION, None, "unused")
    closure = closures.Closure(
        unused, closures.ClosureKind.RATE_LIMIT, "nobody asks", datetime.now(UTC)
    )
    wait_until(lambda: node._directory.find(RECORDER))
    node._directory.tell(RECORDER, RecordClosure(closure))


def main() -> int:
    quicken()
    if "--without" in sys.argv:
        BROKEN[sys.argv[sys.argv.index("--without") + 1]]()
    settings = load_settings()
    configure_logging(settings)
    with StopSignals() as stop:
        database = open_database(settings)
        try:
            node = Node(settings, database, chaos_registry(os.environ["CHAOS_MARKETPLACE"]))
            node.start()
            if os.environ.get("CHAOS_FAIL_ACTOR"):
                _fail_actor(node)
            if os.environ.get("CHAOS_CLOSE_ACTION"):
                _close_action(node)
            stop.wait()
            return 0 if node.stop() else 1
        finally:
            database.dispose()


if __name__ == "__main__":
    sys.exit(main())
