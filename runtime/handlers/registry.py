"""Loads the handlers from entry points; a handler that cannot be used is noted and skipped."""

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Literal

import pluggy

from runtime.errors import ConfigurationError, UnknownHandler
from runtime.handlers.hookspecs import PROJECT, HookSpecs
from runtime.handlers.job_handler import BaseJobHandler
from runtime.marketplaces.record import ActionType, Marketplace
from runtime.marketplaces.record_check import faults_of
from runtime.waiting.lane_policy import LanePolicy

ENTRY_POINT_GROUP = "marketplace_runtime.handlers"
OWN_DISTRIBUTION = "marketplace-runtime"
"""No other package may describe a marketplace that the runtime itself describes."""

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
        self.described: dict[str, list[tuple[EntryPoint, Marketplace]]] = {}

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
            for marketplace in described:
                self.described.setdefault(marketplace.name, []).append((entry_point, marketplace))

    def marketplaces(self) -> dict[str, Marketplace]:
        """Return the marketplaces in service, and take those out whose record is not known.

        Without its record a marketplace would be called without its address and its limits.
        """
        found: dict[str, Marketplace] = {}
        for name in sorted({marketplace_of(key) for key in self.handlers}):
            given = self._of_one_owner(name)
            missing = [
                one for one in self.records if one.reason and marketplace_of(one.key) == name
            ]
            if given:
                # Several handlers of one package may describe it; the first description counts.
                found[name] = given[0]
            elif missing:
                self._take_out(name, f"{missing[0].key} of {missing[0].distribution}")
            else:
                # A marketplace that nobody describes is called with the defaults.
                found[name] = Marketplace(name)
        return found

    def _of_one_owner(self, name: str) -> list[Marketplace]:
        """Return the records of the one package that may describe a marketplace."""
        given = self.described.get(name, [])
        owners = sorted({_owner(point) for point, _ in given})
        if len(owners) < 2:
            return [record for _, record in given]
        for point, _ in given:
            if _owner(point) != OWN_DISTRIBUTION:
                del self.handlers[point.name]
                self.records = [one for one in self.records if one.key != point.name]
                self._note(
                    point,
                    f"{' and '.join(owners)} give a record of the marketplace {name}, which has "
                    "one owner: remove the hook `marketplace` from the other package",
                )
        return [record for point, record in given if _owner(point) == OWN_DISTRIBUTION]

    def _take_out(self, name: str, culprit: str) -> None:
        reason = (
            f"the marketplace {name} is out of service, because its record may stand in {culprit}, "
            "which cannot be used: repair or remove it"
        )
        for key in [one for one in self.handlers if marketplace_of(one) == name]:
            del self.handlers[key]
            self.records = [
                replace(one, status="failed", reason=reason) if one.key == key else one
                for one in self.records
            ]

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
        if not inspect.iscoroutinefunction(handler.execute):
            raise _Unusable(
                f"execute of {handler.__name__} is no coroutine function: define it with "
                "`async def execute(self, job)` and without `yield`"
            )
        try:
            inspect.signature(handler.execute).bind(None, None)
        except TypeError as error:
            raise _Unusable(
                f"execute of {handler.__name__} does not take (self, job): {error}"
            ) from None
        described = manager.hook.marketplace()
        for one in described:
            if not isinstance(one, Marketplace) or one.name != match["marketplace"]:
                raise _Unusable(
                    f"marketplace returned {one!r}, not the record of {match['marketplace']!r}"
                )
            faults = faults_of(one)
            if faults:
                raise _Unusable(f"the record of {one.name!r} is wrong: {'; '.join(faults)}")
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
    marketplaces = loader.marketplaces()
    return Registry(
        tuple(sorted(loader.records, key=lambda record: record.key)),
        marketplaces,
        loader.handlers,
    )


def marketplace_of(key: str) -> str:
    """Return the marketplace of a handler key: ``vinted`` for ``publish_vinted``."""
    return key.rpartition("_")[2]


def action_of(key: str) -> str:
    """Return the action of a handler key: ``sync_orders`` for ``sync_orders_ebay``."""
    return key.rpartition("_")[0]


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"


def _without_repeats(points: Iterable[EntryPoint]) -> list[EntryPoint]:
    """Drop repeats: ``sys.path`` may show one distribution twice, as checkout and installation."""
    unique: dict[tuple[str, str, str], EntryPoint] = {}
    for point in points:
        owner = point.dist.name if point.dist else ""
        unique.setdefault((point.name, point.value, owner), point)
    return list(unique.values())
