"""Closures: no call goes through a closed scope of the rate limits. Pure, without a clock.

A marketplace's 429, a session that ended, a captcha and an operator's pause are all closures.
Each of them closes exactly the scope that it speaks of.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Level(StrEnum):
    """The part of a marketplace that a scope covers; each level lies within the one before."""

    MARKETPLACE = "marketplace"
    APP_KEY = "app_key"
    SHOP = "shop"
    ACTION = "action"


class ClosureKind(StrEnum):
    """The reason why a scope is closed; closures of different kinds do not replace each other."""

    PAUSED = "paused"
    NEEDS_USER = "needs_user"
    NEEDS_AUTH = "needs_auth"
    RATE_LIMIT = "rate_limit"


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope of the tree of rate limits.

    Attributes:
        shop_id: the shop, at the levels shop and action.
        action: the action of that shop, at the level action.
    """

    marketplace: str
    level: Level
    shop_id: int | None = None
    action: str | None = None

    def __str__(self) -> str:
        """Name the scope as an operator reads it: ``etsy app key``, ``shop 3, publish``."""
        match self.level:
            case Level.MARKETPLACE:
                return self.marketplace
            case Level.APP_KEY:
                return f"{self.marketplace} app key"
            case Level.SHOP:
                return f"shop {self.shop_id}"
            case Level.ACTION:  # pragma: no branch - the type checker asks for every level
                return f"shop {self.shop_id}, {self.action}"


def path(marketplace: str, shop_id: int, action: str) -> tuple[Scope, ...]:
    """Return the scopes that a call draws from, the widest first."""
    return (
        Scope(marketplace, Level.MARKETPLACE),
        Scope(marketplace, Level.APP_KEY),
        Scope(marketplace, Level.SHOP, shop_id),
        Scope(marketplace, Level.ACTION, shop_id, action),
    )


@dataclass(frozen=True, slots=True)
class Closure:
    """A scope is closed for one reason.

    Attributes:
        reason: the words that a person reads.
        until: the time when it opens by itself; None if somebody has to open it.
    """

    scope: Scope
    kind: ClosureKind
    reason: str
    since: datetime
    until: datetime | None = None

    @property
    def key(self) -> tuple[Scope, ClosureKind]:
        """The scope and kind; a newer closure of the same key replaces this one."""
        return self.scope, self.kind

    def holds(self, now: datetime) -> bool:
        """Return whether the scope is closed at that time."""
        return self.until is None or self.until > now


def in_words(closure: Closure) -> str:
    """Describe a closure: its scope, its reason and its time.

    ``shop 3: captcha (since …)``, ``budget etsy app key: it answered 429 (until …)``.
    """
    what = str(closure.scope)
    if closure.kind is ClosureKind.RATE_LIMIT:
        what = f"budget {what}"
    if closure.until is None:
        return f"{what}: {closure.reason} (since {_moment(closure.since)})"
    return f"{what}: {closure.reason} (until {_moment(closure.until)})"


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds")


class Closures:
    """The closures of one marketplace, by scope and kind."""

    def __init__(self, closures: Iterable[Closure] = ()) -> None:
        # By kind within a scope: the end of a rate limit must not end an operator's pause.
        self._of: dict[Scope, dict[ClosureKind, Closure]] = {}
        for closure in closures:
            self.close(closure)

    def close(self, closure: Closure) -> None:
        """Close the scope; the closure replaces an older one of the same kind."""
        self._of.setdefault(closure.scope, {})[closure.kind] = closure

    def open(self, scope: Scope, kind: ClosureKind) -> bool:
        """End the closure of that kind; returns whether there was one."""
        of_scope = self._of.get(scope, {})
        found = of_scope.pop(kind, None) is not None
        # An empty entry would otherwise stay for every shop that was ever closed.
        if not of_scope:
            self._of.pop(scope, None)
        return found

    def of(self, scopes: Iterable[Scope], now: datetime) -> Iterator[Closure]:
        """Yield the closures that hold at that time on any of the scopes."""
        for scope in scopes:
            for closure in self._of.get(scope, {}).values():
                if closure.holds(now):
                    yield closure

    def opens_at(self, scopes: Iterable[Scope], now: datetime) -> datetime | None:
        """Return when all scopes are open, at least ``now``; None until somebody opens them."""
        opens = now
        for closure in self.of(scopes, now):
            if closure.until is None:
                return None
            opens = max(opens, closure.until)
        return opens
