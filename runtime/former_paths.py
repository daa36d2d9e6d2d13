"""Import paths of 0.1 that the README gave; they go on working until 0.3, with a warning."""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "runtime.batches": "runtime.jobs.batch_service",
    "runtime.config": "runtime.process.config",
    "runtime.processor": "runtime.inline.processor",
    "runtime.schedules": "runtime.jobs.schedule_service",
    "runtime.service": "runtime.jobs.service",
    "runtime.storage.conversations": "runtime.storage.selling.conversations",
    "runtime.storage.engine": "runtime.storage.server.engine",
    "runtime.storage.listing_changes": "runtime.storage.selling.listing_changes",
    "runtime.storage.orders": "runtime.storage.selling.order_rows",
}


class FormerPaths(MetaPathFinder, Loader):
    """Finds a module under the name that it had in 0.1."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the interface
        target: ModuleType | None = None,  # noqa: ARG002 - the interface
    ) -> ModuleSpec | None:
        """Take the names that moved, and no other."""
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of today in the former one's place."""
        former, today = module.__name__, MOVED[module.__name__]
        warnings.warn(
            f"{former} is deprecated and goes with 0.3: import {today}",
            DeprecationWarning,
            stacklevel=2,
        )
        sys.modules[former] = import_module(today)


def install() -> None:
    """Let former names be found, behind everything that is really there."""
    if not any(isinstance(one, FormerPaths) for one in sys.meta_path):
        sys.meta_path.append(FormerPaths())
