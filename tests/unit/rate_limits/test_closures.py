"""Closures: which scopes are closed, until when, and how a person reads it."""

from datetime import UTC, datetime, timedelta

import pytest

from runtime.rate_limits.closures import Closure, ClosureKind, Closures, Scope, path

NOW = datetime(2026, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
PATH = path("etsy", 3, "publish")
MARKETPLACE, APP_KEY, SHOP, ACTION = PATH


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        (MARKETPLACE, "etsy"),
        (APP_KEY, "etsy app key"),
        (SHOP, "shop 3"),
        (ACTION, "shop 3, publish"),
    ],
)
def test_a_scope_is_named_as_an_operator_knows_it(scope: Scope, text: str) -> None:
    assert str(scope) == text


def test_a_path_is_open_when_the_last_of_its_closures_ends() -> None:
    closures = Closures(
        [
            Closure(APP_KEY, ClosureKind.RATE_LIMIT, "it answered 429", NOW, NOW + HOUR),
            Closure(SHOP, ClosureKind.RATE_LIMIT, "it answered 429", NOW, NOW + 2 * HOUR),
        ]
    )
    assert closures.opens_at(PATH, NOW) == NOW + 2 * HOUR
    assert closures.opens_at(PATH, NOW + 3 * HOUR) == NOW + 3 * HOUR


def test_nobody_knows_when_a_path_opens_that_a_person_has_to_open() -> None:
    closures = Closures(
        [
            Closure(APP_KEY, ClosureKind.RATE_LIMIT, "it answered 429", NOW, NOW + HOUR),
            Closure(SHOP, ClosureKind.NEEDS_USER, "captcha", NOW),
        ]
    )
    assert closures.opens_at(PATH, NOW) is None
    assert closures.opens_at(PATH[:2], NOW) == NOW + HOUR


def test_the_end_of_one_kind_leaves_the_others() -> None:
    closures = Closures([Closure(SHOP, ClosureKind.PAUSED, "holidays", NOW)])
    closures.close(Closure(SHOP, ClosureKind.RATE_LIMIT, "it answered 429", NOW, NOW + HOUR))
    assert closures.open(SHOP, ClosureKind.RATE_LIMIT)
    assert not closures.open(SHOP, ClosureKind.RATE_LIMIT)
    assert [one.kind for one in closures.of(PATH, NOW)] == [ClosureKind.PAUSED]
