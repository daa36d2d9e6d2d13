"""Rotating the keys loses no shop."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet

from runtime.errors import CredentialsUnreadable
from runtime.marketplaces.credentials import Credentials, Vault
from runtime.shops import key_rotation
from runtime.shops.key_rotation import rotate_keys
from runtime.storage.models import Shop
from runtime.storage.selling.credential_rows import load_secret, store_secret
from runtime.storage.server.engine import Database

NOW = datetime(2026, 1, 9, tzinfo=UTC)
OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))
SHOPS = 5


@pytest.fixture
def shops(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Shops whose tokens are encrypted with the old key; the third one's with a lost one."""
    monkeypatch.setattr(key_rotation, "PORTION", 2)
    ids = []
    with database.session.begin() as session:
        for number in range(SHOPS):
            shop = Shop(marketplace="etsy", user_id=7, external_id=f"s{number}")
            session.add(shop)
            session.flush()
            vault = Vault([LOST if number == 2 else OLD])
            secret = vault.lock(Credentials(f"access-{number}", NOW + timedelta(hours=1)), shop.id)
            store_secret(session, shop.id, secret, NOW, None)
            ids.append(shop.id)
    return ids


def readable(database: Database, key: str, shops: list[int]) -> list[str | None]:
    found: list[str | None] = []
    with database.session() as session:
        for shop_id in shops:
            try:
                secret = load_secret(session, shop_id) or ""
                found.append(Vault([key]).unlock(secret, shop_id).access_token)
            except CredentialsUnreadable:
                found.append(None)
    return found


def test_every_shop_is_readable_with_the_new_key_alone(
    database: Database, shops: list[int]
) -> None:
    seen: list[tuple[int, int]] = []
    vault = Vault([NEW, OLD])

    done, unreadable = rotate_keys(database, vault, lambda *numbers: seen.append(numbers))

    assert (done, unreadable) == (SHOPS - 1, (shops[2],))
    assert readable(database, NEW, shops) == ["access-0", "access-1", None, "access-3", "access-4"]
    assert readable(database, LOST, shops)[2] == "access-2"
    assert seen == [(2, 5), (4, 5), (5, 5)]
    assert rotate_keys(database, vault, lambda *_: None)[0] == SHOPS - 1


@pytest.mark.parametrize("moment", ["rotate_keys.before_commit", "rotate_keys.after_commit"])
def test_a_rotation_that_is_interrupted_can_be_done_again(
    database: Database, shops: list[int], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    class Died(BaseException):
        pass

    times = iter(range(10))

    def die(point: str) -> None:
        if point == moment and next(times) == 2:
            raise Died

    vault = Vault([NEW, OLD])
    with monkeypatch.context() as patched:
        patched.setattr("runtime.storage.server.engine.reached", die)
        with pytest.raises(Died):
            rotate_keys(database, vault, lambda *_: None)
    assert None not in [one for n, one in enumerate(readable_both(database, shops)) if n != 2]

    rotate_keys(database, vault, lambda *_: None)
    assert readable(database, NEW, shops) == ["access-0", "access-1", None, "access-3", "access-4"]


def readable_both(database: Database, shops: list[int]) -> list[str | None]:
    new, old = readable(database, NEW, shops), readable(database, OLD, shops)
    return [one or other for one, other in zip(new, old, strict=True)]


def test_a_rotation_binds_what_an_earlier_release_encrypted(
    database: Database, shops: list[int]
) -> None:
    vault = Vault([NEW, OLD])
    with database.session.begin() as session:
        content = json.loads(Fernet(OLD).decrypt((load_secret(session, shops[0]) or "").encode()))
        del content["shop_id"]
        former = Fernet(OLD).encrypt(json.dumps(content).encode()).decode()
        store_secret(session, shops[0], former, NOW, None)
    assert readable(database, OLD, shops)[0] == "access-0"

    rotate_keys(database, vault, lambda *_: None)

    assert readable(database, NEW, shops)[0] == "access-0"
    with database.session() as session:
        secret = load_secret(session, shops[0]) or ""
    with pytest.raises(CredentialsUnreadable, match=f"encrypted for shop {shops[0]}"):
        vault.unlock(secret, shops[1])


def test_a_rotation_leaves_a_secret_of_another_shop_alone(
    database: Database, shops: list[int]
) -> None:
    with database.session.begin() as session:
        store_secret(session, shops[1], load_secret(session, shops[0]) or "", NOW, None)

    done, unreadable = rotate_keys(database, Vault([NEW, OLD]), lambda *_: None)

    assert (done, unreadable) == (SHOPS - 2, (shops[1], shops[2]))
