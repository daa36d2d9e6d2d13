"""Transactions of handlers: exactly once, whatever happens to the connection."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from runtime import Job
from runtime.errors import DatabaseRefused, DatabaseUnavailable, FenceLost, HandlerError, JobFailed
from runtime.messages import LaneRequest
from runtime.runs.calls import TransactionCall
from runtime.storage.models import Shop
from runtime.storage.nodes.membership import register_node
from runtime.storage.queue import journal_rows, transactions
from runtime.storage.queue.claims import claim_jobs
from runtime.storage.queue.transactions import run_transaction
from runtime.storage.server import engine
from runtime.storage.server.embedded import EmbeddedServer
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_shop, set_job


class Stopping:
    """Instead of waiting, does something; says whether the service stops."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None, stops: bool = False) -> None:
        self.waits: list[float] = []
        self.meanwhile = meanwhile
        self.stops = stops

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.meanwhile()
        return self.stops


@pytest.fixture
def job(database: Database) -> Job:
    shop = add_shop(database)
    add_job(database, shop)
    with database.session.begin() as session:
        node = register_node(session)
        (claimed,) = claim_jobs(session, "vinted", [LaneRequest(shop, (shop,), 1)], 1, node).jobs
    return claimed


@pytest.fixture
def killer(server: EmbeddedServer) -> Iterator[Callable[[int], None]]:
    """Ends a connection of another process's from outside; returns when it is gone."""
    admin = Database(make_url(server.url))

    def kill(pid: int) -> None:
        with admin.session.begin() as session:
            session.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    yield kill
    admin.dispose()


def count(
    session: Session, shop_id: int, *, hook: Callable[[Session], None] = lambda _session: None
) -> dict[str, Any]:
    """The work that is to be done exactly once: the shop's name grows by a letter."""
    shop = session.get_one(Shop, shop_id)
    shop.name = (shop.name or "") + "x"
    session.flush()
    hook(session)
    return {"name": shop.name, "pair": (1, 2)}


def call(job: Job, function: Callable[..., Any] = count, **options: Any) -> TransactionCall:
    return TransactionCall("count", lambda session: function(session, job.shop.id, **options))


def run(
    database: Database,
    job: Job,
    made: TransactionCall,
    stopping: Stopping | None = None,
    within: str | None = None,
) -> Any:
    return run_transaction(database, job, made, stopping or Stopping(), within)  # type: ignore[arg-type]


def name(database: Database, job: Job) -> str | None:
    with database.session() as session:
        return session.get_one(Shop, job.shop.id).name


def steps(database: Database, job: Job) -> dict[str, Any]:
    with database.session() as session:
        return {row.name: row for row in journal_rows.steps_of(session, job.id)}


def pid_of(session: Session) -> int:
    return int(session.execute(text("SELECT pg_backend_pid()")).scalar_one())


def once(action: Callable[..., Any]) -> Callable[..., Any]:
    """Does it the first time only."""
    left = [action]
    return lambda *given: left.pop()(*given) if left else None


def test_it_is_committed_with_its_row_in_the_journal(database: Database, job: Job) -> None:
    assert run(database, job, call(job), within="outer") == {"name": "x", "pair": [1, 2]}
    row = steps(database, job)["count"]
    assert (row.status, row.task_type, row.fence) == ("succeeded", "transaction", job.fence)
    assert (row.result, row.within) == ({"name": "x", "pair": [1, 2]}, "outer")
    assert name(database, job) == "x"


def test_a_connection_that_breaks_before_commit_costs_nothing(
    database: Database, job: Job, killer: Callable[[int], None]
) -> None:
    breaks = once(lambda session: killer(pid_of(session)))
    stopping = Stopping()
    assert run(database, job, call(job, hook=breaks), stopping)["name"] == "x"
    assert stopping.waits == [transactions.FIRST_DELAY_SECONDS]
    assert name(database, job) == "x"


def raises(state: str) -> Callable[..., Any]:
    return lambda session: session.execute(
        text(f"DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{state}'; END $$")
    )


def test_a_deadlock_costs_nothing(database: Database, job: Job) -> None:
    stopping = Stopping()
    assert run(database, job, call(job, hook=once(raises("40P01"))), stopping)["name"] == "x"
    assert stopping.waits == [transactions.FIRST_DELAY_SECONDS]
    assert name(database, job) == "x"


def test_a_statement_that_takes_too_long_is_the_handlers_failure(
    database: Database, job: Job
) -> None:
    with pytest.raises(DBAPIError, match="on purpose"):
        run(database, job, call(job, hook=raises("57014")))
    assert name(database, job) is None


def test_a_connection_that_breaks_at_commit_costs_nothing(
    database: Database, job: Job, killer: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[int] = []
    kill = once(lambda: killer(pids[0]))
    monkeypatch.setattr(
        engine, "reached", lambda point: kill() if point == "transaction.before_commit" else None
    )
    made = call(job, hook=lambda session: pids.append(pid_of(session)))
    assert run(database, job, made)["name"] == "x"
    assert len(pids) == 2, "it was rolled back, and done again"
    assert name(database, job) == "x"


def test_what_was_committed_unheard_is_not_done_again(
    database: Database, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def lose() -> None:
        raise DatabaseUnavailable("the answer to COMMIT was lost")

    lost = once(lose)
    monkeypatch.setattr(
        engine, "reached", lambda point: lost() if point == "transaction.after_commit" else None
    )
    made = call(job, hook=calls.append)
    assert run(database, job, made) == {"name": "x", "pair": [1, 2]}
    assert len(calls) == 1
    assert name(database, job) == "x"


@pytest.mark.parametrize("when", ["before", "during", "between two tries"])
def test_a_run_that_lost_its_job_leaves_nothing_behind(
    database: Database, job: Job, killer: Callable[[int], None], when: str
) -> None:
    def take_over(*_: object) -> None:
        set_job(database, job.id, {"fence": job.fence + 1})

    stopping, hook = Stopping(), lambda _session: None
    if when == "before":
        take_over()
    elif when == "during":
        hook = once(take_over)
    else:
        stopping, hook = Stopping(take_over), once(lambda session: killer(pid_of(session)))
    with pytest.raises(FenceLost):
        run(database, job, call(job, hook=hook), stopping)
    assert name(database, job) is None
    assert steps(database, job) == {}


def test_a_job_that_is_not_running_any_more_takes_no_transaction(
    database: Database, job: Job
) -> None:
    set_job(database, job.id, {"status": "cancelled"})
    with pytest.raises(FenceLost):
        run(database, job, call(job))
    assert steps(database, job) == {}


class Outage:
    """The database takes no connections until it is over."""

    def __init__(self, server: EmbeddedServer, database: Database) -> None:
        self.admin = Database(make_url(server.url))
        self.name = database.engine.url.database

    def _run(self, statement: str) -> None:
        with self.admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as own:
            own.exec_driver_sql(statement)

    def begin(self) -> None:
        self._run(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS false")
        self._run(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            f"WHERE datname = '{self.name}'"
        )

    def end(self) -> None:
        self._run(f"ALTER DATABASE {self.name} ALLOW_CONNECTIONS true")


@pytest.fixture
def outage(server: EmbeddedServer, database: Database) -> Iterator[Outage]:
    made = Outage(server, database)
    yield made
    made.end()
    made.admin.dispose()


def test_while_the_database_is_away_it_waits_longer_each_time_and_goes_on(
    database: Database, job: Job, outage: Outage
) -> None:
    outage.begin()
    stopping = Stopping()
    stopping.meanwhile = lambda: outage.end() if len(stopping.waits) == 7 else None
    assert run(database, job, call(job), stopping)["name"].endswith("x")
    assert stopping.waits == sorted(stopping.waits)
    assert stopping.waits[0] == transactions.FIRST_DELAY_SECONDS
    assert stopping.waits[-1] == transactions.LONGEST_DELAY_SECONDS


def test_a_service_that_stops_gives_up_waiting(
    database: Database, job: Job, outage: Outage
) -> None:
    outage.begin()
    stopping = Stopping(stops=True)
    with pytest.raises(DatabaseUnavailable):
        run(database, job, call(job), stopping)
    assert len(stopping.waits) == 1
    outage.end()
    assert steps(database, job) == {}


@pytest.mark.parametrize(
    "error", [ValueError("no"), TypeError("no"), JobFailed("sold"), KeyError("x")]
)
def test_what_the_function_raises_comes_out_as_it_is_and_rolls_everything_back(
    database: Database, job: Job, error: Exception
) -> None:
    def fail(_session: Session) -> None:
        raise error

    before = name(database, job)
    with pytest.raises(type(error)) as caught:
        run(database, job, call(job, hook=fail))
    assert caught.value is error
    assert (name(database, job), steps(database, job)) == (before, {})


@pytest.mark.parametrize("returned", [object(), float("nan"), "nul \0"])
def test_a_result_that_is_no_json_rolls_everything_back(
    database: Database, job: Job, returned: object
) -> None:
    def wrong(session: Session, shop_id: int) -> object:
        count(session, shop_id)
        return returned

    before = name(database, job)
    with pytest.raises(HandlerError, match="return a JSON value"):
        run(database, job, call(job, wrong))
    assert (name(database, job), steps(database, job)) == (before, {})


def test_a_value_that_postgresql_refuses_rolls_everything_back(
    database: Database, job: Job
) -> None:
    def wrong(session: Session, shop_id: int) -> None:
        session.get_one(Shop, shop_id).name = "nul \0"

    with pytest.raises(DatabaseRefused):
        run(database, job, call(job, wrong))
    assert steps(database, job) == {}
