"""The limits that a marketplace declares."""

from dataclasses import dataclass
from datetime import timedelta

from runtime.errors import InputError
from runtime.rate_limits.closures import Level

# Pacing remembers each release of the window, and an even spacing is what a marketplace wants to
# see in a short one. Over a day it would only make a seller wait, so long windows are counted.
LONGEST_PACED = timedelta(seconds=60)
LONGEST_WINDOW = timedelta(days=366)
LARGEST_COUNT = 1_000_000_000
COOL_DOWN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``count`` calls in any half-open window of length ``per``.

    Calls are spread over windows of up to 60 s, which are called paced. In longer windows,
    which must be whole seconds, calls are only counted.

    Raises:
        InputError: one of the values is not above 0, or is not of its type.
    """

    count: int
    per: timedelta

    def __post_init__(self) -> None:
        """Refuse a limit that nobody can keep to."""
        if isinstance(self.count, bool) or not isinstance(self.count, int):
            raise InputError(f"a limit's count must be a whole number, not {self.count!r}")
        if not isinstance(self.per, timedelta):
            raise InputError(f"a limit is per timedelta, not per {self.per!r}")
        if not 0 < self.count <= LARGEST_COUNT:
            raise InputError(
                f"a limit of {self.count} calls per {self.per} lets none through: give at least 1 "
                f"and at most {LARGEST_COUNT:,}, or pause what is not to run"
            )
        if not timedelta(milliseconds=1) <= self.per <= LONGEST_WINDOW:
            raise InputError(
                f"a limit per {self.per} cannot be kept to: give from 1 ms to {LONGEST_WINDOW.days}"
                " days"
            )
        # The usage of a counted window is stored under its length in whole seconds.
        if not self.is_paced and self.per.microseconds:
            raise InputError(f"a limit per {self.per} is not per whole seconds: round it up")

    @property
    def is_paced(self) -> bool:
        """Whether calls are spread over the window and not only counted in it."""
        return self.per <= LONGEST_PACED

    def __str__(self) -> str:
        """Say the limit as an operator reads it: ``10 calls per 1 s``."""
        return f"{self.count:,} calls per {self.per.total_seconds():,g} s"


@dataclass(frozen=True, slots=True)
class Budgets:
    """The limits of each level of a marketplace, and the way in which it speaks of them.

    Attributes:
        marketplace: the limits of all its calls together.
        app_key: the limits of all calls under the application's key.
        shop: the limits of each shop.
        action: the limits of each action of each shop, in addition to the ``rate_limit_ms`` of
            its action type.
        speaks_of: the level of the scope that a 429 and announced limits refer to.
        jitter: the longest random time that is added between two calls of a shop.
        cool_down: the time for which a 429 without a reason closes its scope.

    Raises:
        InputError: a level has two limits for one window, or a duration is negative.
    """

    marketplace: tuple[Limit, ...] = ()
    app_key: tuple[Limit, ...] = ()
    shop: tuple[Limit, ...] = ()
    action: tuple[Limit, ...] = ()
    speaks_of: Level = Level.APP_KEY
    jitter: timedelta = timedelta(0)
    cool_down: timedelta = COOL_DOWN

    def __post_init__(self) -> None:
        """Refuse budgets that contradict themselves."""
        for level in Level:
            limits = self.of(level)
            if not all(isinstance(limit, Limit) for limit in limits):
                raise InputError(f"the budgets of {level} must be Limit(count, per), not {limits}")
            # Windows are kept by their length, so that one of the two limits would silently be
            # lost.
            if len({limit.per for limit in limits}) < len(limits):
                raise InputError(
                    f"the budgets of {level} give two limits for one window: keep one of them"
                )
        for name in ("jitter", "cool_down"):
            if getattr(self, name) < timedelta(0):
                raise InputError(f"the budgets' {name} must not be negative")

    def of(self, level: Level) -> tuple[Limit, ...]:
        """Return the limits of a level."""
        limits: tuple[Limit, ...] = getattr(self, level.value)
        return limits

    @property
    def counts(self) -> bool:
        """Whether any of the limits is counted, so that the usage before a restart matters."""
        return any(not limit.is_paced for level in Level for limit in self.of(level))
