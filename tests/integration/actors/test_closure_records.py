"""The recorder keeps what closes and opens until it is written, and reads behind it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import make_url, text

from actors.closure_records import ClosureRecords
from runtime.errors import DatabaseUnavailable
from runtime.messages import (
    ClosureRecorded,
    ClosuresChanged,
    ClosuresLoaded,
    ListeningAgain,
    LoadClosures,
    RecordClosure,
    RecordOpening,
)
from runtime.process.clock import ManualClock
from runtime.rate_limits.closures import Closure, ClosureKind, Level, Scope
from runtime.storage.queue.closure_rows import close_scopes, closures_of
from runtime.storage.server.engine import Database
from runtime.storage.server.notifications import Listener
from tests.support.database.job_rows import add_shop
from tests.support.deadline import wait_until

NOW = datetime.now(UTC)
CLOCK = ManualClock(lambda _name, _message: None)
KEY = Scope("vinted", Level.APP_KEY)


@pytest.fixture
def told() -> list[tuple[str, Any]]:
    return []


@pytest.fixture
def records(database: Database, told: list[tuple[str, Any]]) -> ClosureRecords:
    return ClosureRecords(database, CLOCK, lambda name, message: told.append((name, message)))


def closing(
    scope: Scope, reason: str = "why", kind: ClosureKind = ClosureKind.RATE_LIMIT
) -> RecordClosure:
    return RecordClosure(Closure(scope, kind, reason, NOW))


def stored(database: Database) -> list[tuple[Scope, str]]:
    with database.session() as session:
        return [(one.scope, one.reason) for one in closures_of(session)]


def test_what_is_asked_for_is_read_behind_what_is_to_be_written(
    records: ClosureRecords, told: list[tuple[str, Any]]
) -> None:
    entry = closing(KEY)
    records.note(LoadClosures("marketplace:vinted", "vinted"))
    records.note(entry)
    assert records.flush()
    assert not records
    assert told == [
        ("marketplace:vinted", ClosureRecorded(entry)),
        ("marketplace:vinted", ClosuresLoaded((entry.closure,))),
    ]


def test_of_one_node_and_kind_the_last_word_counts(
    records: ClosureRecords, told: list[tuple[str, Any]], database: Database
) -> None:
    shop = Scope("vinted", Level.SHOP, add_shop(database))
    records.note(closing(KEY))
    records.note(opening := RecordOpening(KEY, ClosureKind.RATE_LIMIT))
    records.note(RecordOpening(shop, ClosureKind.RATE_LIMIT))
    records.note(closed := closing(shop))
    assert records.flush()
    assert stored(database) == [(shop, "why")]
    assert [message.entry for _, message in told] == [opening, closed]


def test_a_value_that_is_refused_harms_no_other(
    records: ClosureRecords, told: list[tuple[str, Any]], database: Database
) -> None:
    gone = Scope("vinted", Level.SHOP, 99)
    scopes = [Scope("vinted", Level.SHOP, add_shop(database, user_id=user)) for user in (1, 2, 3)]
    for scope in (*scopes[:2], gone, scopes[2]):
        records.note(closing(scope))
    assert records.flush()
    assert {scope for scope, _ in stored(database)} == set(scopes)
    assert len(told) == 4, "whoever said it waits for nothing"


def test_a_database_that_is_away_loses_nothing(
    told: list[tuple[str, Any]], database: Database
) -> None:
    away = Database(make_url("postgresql+psycopg2://nobody@127.0.0.1:1/none"))
    records = ClosureRecords(away, CLOCK, lambda name, message: told.append((name, message)))
    records.note(closing(KEY))
    records.note(LoadClosures("marketplace:vinted", "vinted"))
    with pytest.raises(DatabaseUnavailable):
        records.flush()
    assert records
    assert told == []
    records._database = database
    assert records.flush()
    assert stored(database) == [(KEY, "why")]


def test_a_row_that_a_transaction_holds_holds_up_no_other(
    records: ClosureRecords, told: list[tuple[str, Any]], database: Database
) -> None:
    other = Scope("vinted", Level.MARKETPLACE)
    with database.session.begin() as session:
        close_scopes(session, [closing(KEY, "before").closure])
    with database.session() as holder:
        holder.execute(text("SELECT 1 FROM marketplace_runtime.budget_closures FOR UPDATE"))
        records.note(closing(KEY, "older"))
        records.note(closing(other))
        assert not records.flush()
        assert set(stored(database)) == {(KEY, "before"), (other, "why")}
        records.note(newer := closing(KEY, "newer"))
        assert not records.flush()
        holder.rollback()
    assert records.flush()
    assert set(stored(database)) == {(KEY, "newer"), (other, "why")}
    assert told[-1] == ("marketplace:vinted", ClosureRecorded(newer))


@pytest.mark.parametrize("lead", [timedelta(0), timedelta(hours=2)])
def test_moments_are_stored_by_the_clock_of_the_database(
    database: Database, told: list[tuple[str, Any]], lead: timedelta
) -> None:
    clock = ManualClock(lambda _name, _message: None, NOW + lead)
    clock.lead = lead
    records = ClosureRecords(database, clock, lambda name, message: told.append((name, message)))
    since = clock.now()
    until = since + timedelta(minutes=30)
    closure = Closure(KEY, ClosureKind.RATE_LIMIT, "why", since, until)
    records.note(RecordClosure(closure))
    records.note(LoadClosures("marketplace:vinted", "vinted"))
    assert records.flush()
    with database.session() as session:
        (row,) = closures_of(session)
    assert (row.since, row.until) == (NOW, NOW + timedelta(minutes=30))
    assert told[-1] == ("marketplace:vinted", ClosuresLoaded((closure,)))


def test_whoever_listens_hears_of_it(
    records: ClosureRecords, database: Database, told: list[tuple[str, Any]]
) -> None:

    heard: list[object] = []
    listener = Listener(database, heard.append, timedelta(seconds=0.2))
    listener.start()
    try:
        wait_until(lambda: ListeningAgain() in heard)
        records.note(closing(KEY))
        records.flush()
        wait_until(lambda: ClosuresChanged("vinted") in heard)
    finally:
        listener.stop()
