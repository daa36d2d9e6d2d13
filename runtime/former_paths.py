"""Import paths of 0.1 that its documents gave; they go on working until 0.3, with a warning."""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

APPLICATIONS = "runtime.applications"
STORE = "runtime.store"

MOVED = {
    "runtime.batches": APPLICATIONS,
    "runtime.config": APPLICATIONS,
    "runtime.processor": APPLICATIONS,
    "runtime.schedules": APPLICATIONS,
    "runtime.service": APPLICATIONS,
    "runtime.storage.conversations": STORE,
    "runtime.storage.engine": APPLICATIONS,
    "runtime.storage.listing_changes": STORE,
    "runtime.storage.orders": STORE,
}
"""The public modules of today by the former paths of their names."""

OF_APPLICATIONS = ("BatchJobService", "MarketplaceJobProcessor", "MarketplaceJobService")
"""The names of services that ``runtime`` itself had."""


class FormerPaths(MetaPathFinder, Loader):
    """Finds a module under the name that it had in 0.1."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the interface
        target: ModuleType | None = None,  # noqa: ARG002 - the interface
    ) -> ModuleSpec | None:
        """Return a spec for a path that moved, and None for every other."""
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of today in the place of the former one."""
        # Both names then lead to one module: a class that was imported by either is the same class.
        former, today = module.__name__, MOVED[module.__name__]
        _warn(former, f"import {today}")
        sys.modules[former] = import_module(today)


def install() -> None:
    """Let former paths be found, behind all modules that exist."""
    if not any(isinstance(one, FormerPaths) for one in sys.meta_path):
        # At the end of the list: a module that really has such a name is found first.
        sys.meta_path.append(FormerPaths())


def name_of_runtime(name: str) -> Any:
    """Return a name that ``runtime`` had; this is the ``__getattr__`` of that module."""
    if name not in OF_APPLICATIONS:
        raise AttributeError(f"module 'runtime' has no attribute {name!r}")
    _warn(f"runtime.{name}", f"import it from {APPLICATIONS}")
    return getattr(import_module(APPLICATIONS), name)


def _warn(former: str, way_out: str) -> None:
    # stacklevel 3 names the line that imports, which is the line to change.
    warnings.warn(
        f"{former} is deprecated and goes with 0.3: {way_out}", DeprecationWarning, stacklevel=3
    )
