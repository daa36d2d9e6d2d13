"""The composition root: brings actors, handler plugins and the command line together."""

import sys
from contextlib import AbstractContextManager
from typing import Any

from runtime.cli.app import run
from runtime.cli.parts import Demo, Parts, Service
from runtime.config import Settings
from runtime.registry import Registry
from runtime.storage.engine import Database


def main() -> None:
    """The console script ``marketplace-runtime``."""
    demo = Demo(marketplace="vinted", action="sync", connect_seller=_connect_seller)
    sys.exit(run(Parts(make_service=_make_service, demo=demo)))


def _make_service(settings: Settings, database: Database, registry: Registry) -> Service:
    # Imported late: most commands need no actors, and should not wait for eventlet.
    from actors.node import Node

    return Node(settings, database, registry)


def _connect_seller(
    url: str, user_id: int, token: str, external_id: str, items: int
) -> AbstractContextManager[Any]:
    from plugins.vinted.sandbox import SimulatedBrowser, Wardrobe

    wardrobe = Wardrobe.of(items, shop_id=external_id)
    return SimulatedBrowser(url, user_id, token, wardrobe)


if __name__ == "__main__":
    main()
