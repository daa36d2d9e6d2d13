"""The limits that a marketplace declares."""

from dataclasses import dataclass
from datetime import timedelta

from runtime.errors import InputError
from runtime.rate_limits.closures import Level

LONGEST_PACED = timedelta(seconds=60)
LONGEST_WINDOW = timedelta(days=366)
LARGEST_COUNT = 1_000_000_000
COOL_DOWN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``count`` calls in any half-open window of length ``per``.

    Windows up to 60 s are paced: calls are spread over them. Longer ones, which must be whole
    seconds, are counted.

    Raises:
        InputError: zero or less of either, or not of these types.
    """

    count: int
    per: timedelta

    def __post_init__(self) -> None:
        """Refuse what cannot be kept to."""
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
        if not self.is_paced and self.per.microseconds:
            raise InputError(f"a limit per {self.per} is not per whole seconds: round it up")

    @property
    def is_paced(self) -> bool:
        """Whether calls are spread over the window; else they are counted in it."""
        return self.per <= LONGEST_PACED

    def __str__(self) -> str:
        """Say the limit as an operator reads it: ``10 calls per 1 s``."""
        return f"{self.count:,} calls per {self.per.total_seconds():,g} s"


@dataclass(frozen=True, slots=True)
class Budgets:
    """The limits of each level of a marketplace, and how it speaks of them.

    Attributes:
        marketplace: for all of its calls.
        app_key: for all calls under the application's key.
        shop: for each shop.
        action: for each action of each shop, beside the ``rate_limit_ms`` of its action type.
        speaks_of: the level of the scope that a 429 and the limits in its answers speak of.
        jitter: up to so much longer, drawn anew each time, lie a shop's calls apart.
        cool_down: how long a 429 that says nothing closes its scope.

    Raises:
        InputError: two limits of one level for the same window; a negative duration.
    """

    marketplace: tuple[Limit, ...] = ()
    app_key: tuple[Limit, ...] = ()
    shop: tuple[Limit, ...] = ()
    action: tuple[Limit, ...] = ()
    speaks_of: Level = Level.APP_KEY
    jitter: timedelta = timedelta(0)
    cool_down: timedelta = COOL_DOWN

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        for level in Level:
            limits = self.of(level)
            if not all(isinstance(limit, Limit) for limit in limits):
                raise InputError(f"the budgets of {level} must be Limit(count, per), not {limits}")
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
        """Whether any of the limits is counted, so that former usage matters."""
        return any(not limit.is_paced for level in Level for limit in self.of(level))
