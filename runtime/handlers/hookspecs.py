"""The hooks that a handler plugin can implement (pluggy project ``marketplace_runtime``)."""

import pluggy

from runtime.handlers.job_handler import BaseJobHandler
from runtime.marketplaces.record import Marketplace

PROJECT = "marketplace_runtime"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class HookSpecs:
    """Implemented by modules that stand under the entry point ``marketplace_runtime.handlers``."""

    @hookspec
    def job_handler(self) -> type[BaseJobHandler]:  # type: ignore[empty-body]
        """Return the handler class of the key that the entry point is named after."""

    @hookspec
    def marketplace(self) -> Marketplace:  # type: ignore[empty-body]
        """Return the record of a marketplace.

        One module of a marketplace's handlers implements it; a marketplace that nobody
        describes is called over HTTP with absolute URLs.
        """
