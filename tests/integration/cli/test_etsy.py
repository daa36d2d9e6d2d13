"""Connecting Etsy shops from the command line: with a consent, or with a token at hand."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import URL

from plugins.etsy.sandbox import EtsySandbox
from runtime.jobs.service import MarketplaceJobService
from runtime.storage.models import Shop
from runtime.storage.server.engine import Database
from tests.support.marketplaces.etsy_shop import etsy_environment
from tests.support.processes.commands import on_database, refused, running
from tests.support.processes.service_process import Installation

TIMEOUT = 10


@pytest.fixture
def etsy() -> Iterator[EtsySandbox]:
    with EtsySandbox() as sandbox:
        yield sandbox


@pytest.fixture
def cli(tmp_path: Path, database_url: URL, etsy: EtsySandbox) -> Installation:
    installation = on_database(tmp_path, database_url)
    installation.environment |= etsy_environment(etsy)
    return installation


def connecting(cli: Installation, *more: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """The command that waits for a consent."""
    command = (*cli.command, "shops", "connect", "etsy", "--user", "7", "--port", "0", *more)
    return running(*command, env=cli.environment)


def address_of_consent(process: subprocess.Popen[str]) -> str:
    """The address that the seller opens in a browser."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("http"):
            return line.strip()
    raise AssertionError("no address was printed")


def consented(cli: Installation) -> str:
    """A whole consent; what the command says in the end."""
    with connecting(cli) as process:
        answer = requests.get(address_of_consent(process), timeout=TIMEOUT)
        assert answer.status_code == 200, answer.text
        told, problems = process.communicate(timeout=30)
        assert process.returncode == 0, problems
        return told


def test_a_consent_connects_the_shop_that_etsy_says_it_is_for(
    cli: Installation, etsy: EtsySandbox
) -> None:
    assert consented(cli) == "shop 1: 5001 on etsy, connected\n"
    (shop,) = cli.json("shops", "list")
    assert (shop["marketplace"], shop["external_id"], shop["user_id"]) == ("etsy", "5001", 7)
    assert etsy.done["getMe"] == 1
    assert consented(cli) == "shop 1: 5001 on etsy, connected\n", "again, and the same shop"


def test_the_consent_is_asked_with_pkce_for_no_more_than_is_needed(
    cli: Installation, etsy: EtsySandbox
) -> None:
    with connecting(cli) as process:
        query = parse_qs(urlsplit(address_of_consent(process)).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["scope"] == ["listings_r listings_w listings_d transactions_r shops_r"]
    assert query["client_id"] == ["etsy-keystring"]


def test_an_answer_with_another_state_does_not_count_and_the_right_one_still_does(
    cli: Installation, etsy: EtsySandbox
) -> None:
    with connecting(cli) as process:
        address = address_of_consent(process)
        redirect = parse_qs(urlsplit(address).query)["redirect_uri"][0]
        wrong = requests.get(redirect, {"code": "x", "state": "wrong"}, timeout=TIMEOUT)
        assert wrong.status_code == 400
        assert etsy.asked["token"] == 0
        assert requests.get(address, timeout=TIMEOUT).status_code == 200
        assert process.wait(60) == 0


def test_tokens_are_kept_encrypted(
    cli: Installation, etsy: EtsySandbox, database: Database
) -> None:
    consented(cli)
    with database.session() as session:
        secret = session.execute(Shop.__table__.select()).mappings().one()
    assert "7001." not in json.dumps(dict(secret), default=str)


def test_a_seller_who_declines_connects_nothing(cli: Installation, etsy: EtsySandbox) -> None:
    etsy.oauth.declines = True
    command = (*cli.command, "shops", "connect", "etsy", "--user", "7", "--paste")
    with subprocess.Popen(
        command, env=cli.environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        address = address_of_consent(process)
        sent_to = requests.get(address, timeout=TIMEOUT, allow_redirects=False).headers["Location"]
        _, problems = process.communicate(f"{sent_to}\n", timeout=30)
    assert process.returncode == 1
    assert re.search(r"error: .*(declined|denied)", problems), problems
    assert cli.json("shops", "list") == []


def test_a_seller_who_declines_in_the_browser_ends_the_wait(
    cli: Installation, etsy: EtsySandbox
) -> None:
    etsy.oauth.declines = True
    with connecting(cli) as process:
        assert requests.get(address_of_consent(process), timeout=TIMEOUT).status_code == 400
        _, problems = process.communicate(timeout=30)
    assert process.returncode == 1
    assert re.search(r"error: .*(declined|denied)", problems), problems


def test_the_answer_is_expected_where_etsy_was_told_that_it_would_be(cli: Installation) -> None:
    command = (*cli.command, "shops", "connect", "etsy", "--user", "7", "--paste")
    with running(*command, env=cli.environment) as process:
        query = parse_qs(urlsplit(address_of_consent(process)).query)
    assert query["redirect_uri"] == ["http://127.0.0.1:8767/callback"]


def test_a_token_that_is_at_hand_connects_the_shop_without_a_consent(
    cli: Installation, etsy: EtsySandbox
) -> None:
    token = etsy.connect()["refresh_token"]
    told = cli.json("shops", "connect", "etsy", "--user", "7", "--refresh-token", token)
    assert told["external_id"] == "5001"
    spent = cli.run(
        "shops", "connect", "etsy", "--user", "7", "--refresh-token", token, check=False
    )
    assert "the refresh token does not count" in refused(spent)


def test_a_token_is_not_spent_on_an_account_of_another_user(
    cli: Installation, etsy: EtsySandbox, database: Database
) -> None:
    with database.session.begin() as session:
        MarketplaceJobService(session).add_shop("etsy", 8, "5001")
    token = etsy.connect()["refresh_token"]
    arguments = ("--user", "7", "--external-id", "5001", "--refresh-token", token)
    told = refused(cli.run("shops", "connect", "etsy", *arguments, check=False))
    assert told == "the etsy account '5001' is shop 1 of user 8 already"
    assert etsy.exchanges == []


def test_an_application_that_is_not_set_up_says_what_to_set(cli: Installation) -> None:
    del cli.environment["RUNTIME_ETSY_KEYSTRING"]
    told = refused(cli.run("shops", "connect", "etsy", "--user", "7", check=False))
    assert "RUNTIME_ETSY_KEYSTRING" in told


def test_settings_are_checked_by_name_and_shape(cli: Installation) -> None:
    consented(cli)
    good = cli.json(
        "shops", "set", "1", "who_made=i_did", 'taxonomy_map={"Shoes": 1429}',
        "shipping_profile_id=9001", "on_delete=deactivate",
    )  # fmt: skip
    assert good["settings"]["taxonomy_map"] == {"Shoes": 1429}
    shown = cli.run("shops", "set", "1", "on_delete=").stdout
    assert 'taxonomy_map={"Shoes": 1429}' in shown, "as it would be given again"
    for wrong in ("who_made=me", "shipping_profile_id=x", "taxonomy_map=[", "on_delete=burn"):
        assert wrong.partition("=")[0] in refused(cli.run("shops", "set", "1", wrong, check=False))
