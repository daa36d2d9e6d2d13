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
"""By former path, the public module that has the names which were documented there."""

OF_APPLICATIONS = ("BatchJobService", "MarketplaceJobProcessor", "MarketplaceJobService")
"""Names that ``runtime`` itself had."""


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
        _warn(former, f"import {today}")
        sys.modules[former] = import_module(today)


def install() -> None:
    """Let former names be found, behind everything that is really there."""
    if not any(isinstance(one, FormerPaths) for one in sys.meta_path):
        sys.meta_path.append(FormerPaths())


def name_of_runtime(name: str) -> Any:
    """A name that ``runtime`` had; for its ``__getattr__``."""
    if name not in OF_APPLICATIONS:
        raise AttributeError(f"module 'runtime' has no attribute {name!r}")
    _warn(f"runtime.{name}", f"import it from {APPLICATIONS}")
    return getattr(import_module(APPLICATIONS), name)


def _warn(former: str, way_out: str) -> None:
    warnings.warn(
        f"{former} is deprecated and goes with 0.3: {way_out}", DeprecationWarning, stacklevel=3
    )
