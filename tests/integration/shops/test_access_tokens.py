"""Access tokens: renewed early, by one at a time, and committed before they are used."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from runtime.errors import (
    CallRejected,
    CredentialsUnreadable,
    DatabaseUnavailable,
    HeldUp,
    NotAuthorized,
    NotSent,
)
from runtime.http.transport import HttpTransport
from runtime.marketplaces.credentials import Credentials, Vault
from runtime.marketplaces.record import Marketplace
from runtime.runs.calls import Authorization, Failure, HttpCall, Outcome, Success
from runtime.shops.access_tokens import STORE_PAUSES, Authorizer
from runtime.shops.authorized_transport import AuthorizedTransport
from runtime.storage.models import Shop
from runtime.storage.selling.credential_rows import load_secret, store_secret
from runtime.storage.server.engine import Database
from tests.support.servers.token_server import TokenServer

NOW = datetime(2026, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
READ = HttpCall("GET", "/orders")


class World:
    """A shop with tokens, a marketplace that wants them, and time to move."""

    def __init__(self, database: Database, tokens: TokenServer, base_url: str) -> None:
        self.database = database
        self.tokens = tokens
        self.now = NOW
        self.vault = Vault([Fernet.generate_key().decode()])
        self.marketplace = Marketplace("etsy", base_url=base_url, auth=tokens.auth)
        with database.session.begin() as session:
            shop = Shop(marketplace="etsy", user_id=7, external_id="s7")
            session.add(shop)
            session.flush()
            self.shop_id = shop.id
        self.keep(Credentials("access-0", NOW + HOUR, "refresh-0"))

    def keep(self, credentials: Credentials) -> None:
        with self.database.session.begin() as session:
            store_secret(
                session, self.shop_id, self.vault.lock(credentials, self.shop_id),
                credentials.access_expires_at, credentials.refresh_expires_at,
            )  # fmt: skip

    def kept(self) -> Credentials:
        with self.database.session() as session:
            return self.vault.unlock(load_secret(session, self.shop_id) or "", self.shop_id)

    def authorizer(self) -> Authorizer:
        """As another process has one."""
        return Authorizer(self.database, self.vault, lambda: self.now)

    def token(self, authorizer: Authorizer, refused: str | None = None) -> str:
        return authorizer.shop_token("etsy", self.tokens.auth, self.shop_id, refused)

    def perform(self, call: HttpCall = READ) -> Outcome:
        marketplaces = {"etsy": self.marketplace}
        transport = AuthorizedTransport(
            HttpTransport(marketplaces), self.authorizer(), marketplaces
        )
        return transport.perform("etsy", self.shop_id, call, timedelta(seconds=10), lambda: True)


@pytest.fixture
def tokens(httpserver: HTTPServer) -> TokenServer:
    return TokenServer(httpserver)


@pytest.fixture
def world(database: Database, tokens: TokenServer, httpserver: HTTPServer) -> World:
    return World(database, tokens, httpserver.url_for(""))


def test_a_token_that_lasts_is_used_as_it_is(world: World) -> None:
    assert world.token(world.authorizer()) == "access-0"
    assert world.tokens.forms == []


def test_a_token_is_renewed_before_it_ends(world: World) -> None:
    world.now = NOW + HOUR - timedelta(minutes=4)
    assert world.token(world.authorizer()) == "access-1"
    assert world.kept().refresh_token == "refresh-1"


def test_threads_that_meet_an_expired_token_renew_it_once(world: World) -> None:
    world.now = NOW + 2 * HOUR
    authorizer = world.authorizer()
    start = threading.Barrier(20)

    def ask() -> str:
        start.wait()
        return world.token(authorizer)

    with ThreadPoolExecutor(20) as threads:
        asked = [threads.submit(ask) for _ in range(20)]
        assert {one.result() for one in asked} == {"access-1"}
    assert len(world.tokens.forms) == 1


def test_processes_that_meet_an_expired_token_renew_it_once(world: World) -> None:
    world.now = NOW + 2 * HOUR
    start = threading.Barrier(4)

    def ask() -> str:
        authorizer = world.authorizer()
        start.wait()
        return world.token(authorizer)

    with ThreadPoolExecutor(4) as processes:
        asked = [processes.submit(ask) for _ in range(4)]
        assert {one.result() for one in asked} == {"access-1"}
    assert len(world.tokens.forms) == 1


def test_a_refresh_token_that_does_not_come_again_is_kept(world: World) -> None:
    world.tokens.rotates = False
    for number in (1, 2):
        world.now += 3 * HOUR
        assert world.token(world.authorizer()) == f"access-{number}"
        assert world.kept().refresh_token == "refresh-0"


def test_a_rotated_refresh_token_is_committed_before_the_token_is_used(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        pass

    def die(point: str) -> None:
        if point == "renew_tokens.after_commit":
            raise Died

    world.now = NOW + 2 * HOUR
    with monkeypatch.context() as patched:
        patched.setattr("runtime.storage.server.engine.reached", die)
        with pytest.raises(Died):
            world.token(world.authorizer())

    assert world.token(world.authorizer()) == "access-1"
    assert len(world.tokens.forms) == 1


def test_a_death_before_the_commit_keeps_the_former_token(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        pass

    def die(point: str) -> None:
        if point == "renew_tokens.before_commit":
            raise Died

    world.tokens.rotates = False
    world.now = NOW + 2 * HOUR
    with monkeypatch.context() as patched:
        patched.setattr("runtime.storage.server.engine.reached", die)
        with pytest.raises(Died):
            world.token(world.authorizer())

    assert world.kept().access_token == "access-0"
    assert world.token(world.authorizer()) == "access-2"


class Outage:
    """The database is away at a point of the renewal, so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, point: str, times: int) -> None:
        self.point, self.times = f"renew_tokens.{point}", times
        monkeypatch.setattr("runtime.storage.server.engine.reached", self.reach)

    def reach(self, point: str) -> None:
        if point == self.point and self.times:
            self.times -= 1
            raise DatabaseUnavailable("the server is away")


@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
def test_tokens_that_are_not_stored_at_once_are_stored_before_they_are_used(
    world: World, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    world.now = NOW + 2 * HOUR
    Outage(monkeypatch, point, 2 if point == "before_commit" else 1)
    assert world.token(world.authorizer()) == "access-1"
    assert world.kept().refresh_token == "refresh-1"
    assert len(world.tokens.forms) == 1


def test_a_rotated_refresh_token_outlives_an_outage_of_any_length(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.now = NOW + 2 * HOUR
    outage = Outage(monkeypatch, "before_commit", 10**6)
    waited: list[float] = []
    authorizer = Authorizer(world.database, world.vault, lambda: world.now, waited.append)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            world.token(authorizer)
    assert waited == [*STORE_PAUSES] * 2
    assert world.kept().refresh_token == "refresh-0"
    outage.times = 0
    assert world.token(authorizer) == "access-1"
    assert world.kept().refresh_token == "refresh-1"
    assert len(world.tokens.forms) == 1


def test_a_new_consent_counts_more_than_what_was_not_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.now = NOW + 2 * HOUR
    outage = Outage(monkeypatch, "before_commit", 10**6)
    authorizer = Authorizer(world.database, world.vault, lambda: world.now, lambda seconds: None)
    with pytest.raises(DatabaseUnavailable):
        world.token(authorizer)
    outage.times = 0
    world.tokens.live_refresh_tokens.add("refresh-new")
    world.keep(Credentials("access-new", world.now, "refresh-new"))
    assert world.token(authorizer) == "access-2"
    assert world.tokens.forms[-1]["refresh_token"] == "refresh-new"


def test_a_grant_that_ended_asks_for_consent(world: World) -> None:
    world.tokens.live_refresh_tokens.clear()
    world.now = NOW + 2 * HOUR
    with pytest.raises(NotAuthorized, match=r"it was used up.*shops connect etsy"):
        world.token(world.authorizer())


def test_a_shop_that_was_never_connected_says_so(world: World) -> None:
    with pytest.raises(NotAuthorized, match="never connected"):
        world.authorizer().shop_token("etsy", world.tokens.auth, world.shop_id + 1, None)


@pytest.mark.parametrize(
    ("status", "body"), [(503, {}), (401, {"error": "invalid_client"}), (200, {"token": 1})]
)
def test_a_token_endpoint_that_gives_none_is_asked_again_later(
    world: World, status: int, body: dict[str, str]
) -> None:
    world.now = NOW + 2 * HOUR
    world.tokens.failures = [(status, body)]
    with pytest.raises(NotSent, match="gave no token") as caught:
        world.token(world.authorizer())
    assert not isinstance(caught.value, NotAuthorized)
    assert world.token(world.authorizer()) == "access-1"


def test_tokens_that_were_changed_elsewhere_are_noticed(world: World) -> None:
    authorizer = world.authorizer()
    assert world.token(authorizer) == "access-0"
    world.keep(Credentials("access-9", NOW + 9 * HOUR, "refresh-9"))
    world.now += timedelta(minutes=1)
    assert world.token(authorizer) == "access-9"


def test_calls_carry_the_shops_token_and_no_secret_is_kept_in_them(
    world: World, httpserver: HTTPServer
) -> None:
    httpserver.expect_oneshot_request(
        "/orders", headers={"Authorization": "Bearer access-0"}
    ).respond_with_json([1])
    assert world.perform() == Success([1])


def test_a_refused_token_is_renewed_once_and_the_call_sent_again(
    world: World, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(
        "/orders", headers={"Authorization": "Bearer access-0"}
    ).respond_with_json({}, status=401)
    httpserver.expect_request(
        "/orders", headers={"Authorization": "Bearer access-1"}
    ).respond_with_json([2])
    assert world.perform() == Success([2])


def test_a_call_that_is_refused_again_fails(world: World, httpserver: HTTPServer) -> None:
    asked: list[str] = []

    def refuse(request: Request) -> Response:
        asked.append(request.headers["Authorization"])
        return Response("{}", status=401)

    httpserver.expect_request("/orders").respond_with_handler(refuse)
    outcome = world.perform()
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.error, CallRejected)
    assert asked == ["Bearer access-0", "Bearer access-1"]


def test_what_belongs_to_no_shop_is_asked_for_by_the_application(
    world: World, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(
        "/limits", headers={"Authorization": "Bearer access-1"}
    ).respond_with_json({"left": 3})
    call = HttpCall("GET", "/limits", authorization=Authorization.APPLICATION)
    assert world.perform(call) == Success({"left": 3})
    assert world.tokens.forms[0]["grant_type"] == "client_credentials"


def test_an_outage_of_our_own_database_is_told_as_one_and_not_as_a_failed_call(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> str:
        raise DatabaseUnavailable("the server is away")

    monkeypatch.setattr(Authorizer, "shop_token", away)
    outcome = world.perform()
    assert isinstance(outcome, Failure)
    # This class uses up no attempt, and a look that fails so asks nobody.
    assert isinstance(outcome.error, HeldUp)
    assert "the server is away" in str(outcome.error)


def test_tokens_that_cannot_be_decrypted_let_nothing_leave(world: World) -> None:
    world.now = NOW + 2 * HOUR
    broken = Vault([Fernet.generate_key().decode()])
    authorizer = Authorizer(world.database, broken, lambda: world.now)
    marketplaces = {"etsy": world.marketplace}
    transport = AuthorizedTransport(HttpTransport(marketplaces), authorizer, marketplaces)
    outcome = transport.perform("etsy", world.shop_id, READ, timedelta(seconds=10), lambda: True)
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.error, NotSent)
    assert "RUNTIME_ENCRYPTION_KEYS" in str(outcome.error)


def test_a_secret_that_was_copied_from_another_shop_is_refused(world: World) -> None:
    with world.database.session.begin() as session:
        secret = load_secret(session, world.shop_id) or ""
        other = Shop(marketplace="etsy", user_id=8, external_id="s8")
        session.add(other)
        session.flush()
        store_secret(session, other.id, secret, NOW + HOUR, None)
        other_id = other.id

    with pytest.raises(CredentialsUnreadable, match=f"encrypted for shop {world.shop_id}"):
        world.authorizer().shop_token("etsy", world.tokens.auth, other_id, None)
