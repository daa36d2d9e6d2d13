"""Loads the handlers from entry points; a handler that cannot be used is noted and skipped."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Literal

import pluggy

from runtime.errors import ConfigurationError, UnknownHandler
from runtime.handlers.hookspecs import PROJECT, HookSpecs
from runtime.handlers.job_handler import BaseJobHandler
from runtime.marketplaces.record import ActionType, Marketplace
from runtime.waiting.lane_policy import LanePolicy

ENTRY_POINT_GROUP = "marketplace_runtime.handlers"

# A marketplace has no underscore in its name, and an action may have several. So the last
# underscore of a key always divides the two, and a key is read in one way only.
_KEY = re.compile(r"(?P<action>[a-z][a-z0-9_]*)_(?P<marketplace>[a-z][a-z0-9]*)")


@dataclass(frozen=True, slots=True)
class HandlerRecord:
    """The result of loading one entry point.

    Attributes:
        distribution: the installed package that declares it, with its version.
        reason: why the entry point could not be used; None if it was loaded.
    """

    key: str
    status: Literal["loaded", "failed"]
    distribution: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    """The usable handlers and marketplaces.

    Attributes:
        records: every entry point, usable or not, sorted by key.
        marketplaces: the records by name, of every marketplace that has a usable handler.
    """

    records: tuple[HandlerRecord, ...] = ()
    marketplaces: Mapping[str, Marketplace] = field(default_factory=dict)
    handlers: Mapping[str, type[BaseJobHandler]] = field(default_factory=dict)

    @property
    def needing_sellers(self) -> tuple[str, ...]:
        """The marketplaces whose jobs run only while their seller's browser is connected."""
        return tuple(name for name, one in self.marketplaces.items() if one.lanes.needs_seller)

    def lanes_of(self, marketplace: str) -> LanePolicy:
        """Return the lane policy of a marketplace; an unknown marketplace gets the default."""
        return self.marketplaces.get(marketplace, Marketplace(marketplace)).lanes

    @property
    def action_types(self) -> dict[tuple[str, str], ActionType]:
        """The action types of the loaded handlers, by marketplace and code.

        A handler whose marketplace declares no action type of its name gets one with defaults.
        """
        declared = {
            (marketplace.name, one.code): one
            for marketplace in self.marketplaces.values()
            for one in marketplace.action_types
        }
        for key in self.handlers:
            action = action_of(key)
            name = action.replace("_", " ").capitalize()
            declared.setdefault((marketplace_of(key), action), ActionType(action, name))
        return declared

    def handler_class(self, key: str) -> type[BaseJobHandler]:
        """Return the handler of a key.

        Raises:
            UnknownHandler: no handler has that key, or it could not be used.
        """
        try:
            return self.handlers[key]
        except KeyError:
            failed = [one for one in self.records if one.key == key and one.reason]
            raise UnknownHandler(key, failed[0].reason if failed else None) from None


class _Unusable(Exception):
    """Carries the reason why an entry point cannot be used."""


class _Loader:
    def __init__(self) -> None:
        self.records: list[HandlerRecord] = []
        self.handlers: dict[str, type[BaseJobHandler]] = {}
        self.marketplaces: dict[str, Marketplace] = {}

    def load(self, entry_point: EntryPoint, claimants: int) -> None:
        key = entry_point.name
        try:
            # With two claimants the order of installation would decide whose code runs, so that
            # neither of them is used.
            if claimants > 1:
                raise _Unusable(
                    f"{claimants} installed packages claim the key {key}: remove all but one"
                )
            handler, described = self._handler(entry_point)
        except _Unusable as error:
            self._note(entry_point, str(error))
        except (KeyboardInterrupt, ConfigurationError):
            # A wrong setting ends the start. Without its record a marketplace would be called
            # without its limits, and its waiting jobs would not explain why.
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin's import may raise anything
            self._note(entry_point, f"{type(error).__name__}: {error}")
        else:
            self.handlers[key] = handler
            self._note(entry_point, None)
            # Several handlers of one marketplace may describe it; the first description counts.
            for marketplace in described:
                self.marketplaces.setdefault(marketplace.name, marketplace)

    def _handler(self, entry_point: EntryPoint) -> tuple[type[BaseJobHandler], list[Marketplace]]:
        match = _KEY.fullmatch(entry_point.name)
        if match is None:
            raise _Unusable(
                f"{entry_point.name!r} is no handler key: name it <action>_<marketplace> in lower "
                "case, without an underscore in the marketplace"
            )
        # Each entry point has a plugin manager of its own: in a shared one, every module's hook
        # would answer, and nobody could tell which answer belongs to this key.
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(HookSpecs)
        manager.register(entry_point.load(), name=entry_point.name)
        manager.check_pending()
        found = manager.hook.job_handler()
        if not found:
            raise _Unusable(
                f"{entry_point.value} has no hook: decorate a function `job_handler` that returns "
                "the handler class with @runtime.hookimpl"
            )
        handler = found[0]
        # Each run makes a handler of its own from the class, so an instance does not do.
        if not (isinstance(handler, type) and issubclass(handler, BaseJobHandler)):
            raise _Unusable(f"job_handler returned {handler!r}, which is no BaseJobHandler class")
        described = manager.hook.marketplace()
        for one in described:
            if not isinstance(one, Marketplace) or one.name != match["marketplace"]:
                raise _Unusable(
                    f"marketplace returned {one!r}, not the record of {match['marketplace']!r}"
                )
        return handler, described

    def _note(self, entry_point: EntryPoint, reason: str | None) -> None:
        dist = entry_point.dist
        distribution = f"{dist.name} {dist.version}" if dist else "unknown"
        status: Literal["loaded", "failed"] = "failed" if reason else "loaded"
        self.records.append(HandlerRecord(entry_point.name, status, distribution, reason))


def load_registry(points: Iterable[EntryPoint] | None = None) -> Registry:
    """Load every handler plugin that is installed.

    Args:
        points: entry points to load instead of the installed ones.
    """
    found = _without_repeats(entry_points(group=ENTRY_POINT_GROUP) if points is None else points)
    loader = _Loader()
    for entry_point in found:
        loader.load(entry_point, sum(other.name == entry_point.name for other in found))
    for key in loader.handlers:
        name = marketplace_of(key)
        # A marketplace without a record is called with the defaults.
        loader.marketplaces.setdefault(name, Marketplace(name))
    return Registry(
        tuple(sorted(loader.records, key=lambda record: record.key)),
        loader.marketplaces,
        loader.handlers,
    )


def marketplace_of(key: str) -> str:
    """Return the marketplace of a handler key: ``vinted`` for ``publish_vinted``."""
    return key.rpartition("_")[2]


def action_of(key: str) -> str:
    """Return the action of a handler key: ``sync_orders`` for ``sync_orders_ebay``."""
    return key.rpartition("_")[0]


def _without_repeats(points: Iterable[EntryPoint]) -> list[EntryPoint]:
    """Drop repeats: ``sys.path`` may show one distribution twice, as checkout and installation."""
    unique: dict[tuple[str, str, str], EntryPoint] = {}
    for point in points:
        owner = point.dist.name if point.dist else ""
        unique.setdefault((point.name, point.value, owner), point)
    return list(unique.values())
