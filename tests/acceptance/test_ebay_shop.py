"""A seller's shop on eBay as an operator connects, sets and runs it from the command line."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet
from sqlalchemy import URL

from plugins.ebay.sandbox import EbaySandbox
from tests.support.deadline import wait_until
from tests.support.marketplaces.openapi_validation import assert_conforms
from tests.support.processes.commands import on_database, refused
from tests.support.processes.service_process import Installation

PRODUCT = {
    "sku": "A-1",
    "title": "Écharpe en laine",
    "description": "Douce et chaude.",
    "price": "12.50",
    "quantity": 2,
    "condition": "USED_GOOD",
    "category": "45238",
    "images": ["https://images.example.com/1.jpg"],
}
SETTINGS = (
    "marketplace_id=EBAY_FR", "currency=EUR",
    "fulfillment_policy_id=fulfillment-1", "payment_policy_id=payment-1",
    "return_policy_id=return-1", "merchant_location_key=warehouse",
)  # fmt: skip


@pytest.fixture
def ebay() -> Iterator[EbaySandbox]:
    """A simulated eBay; every request is checked against eBay's documents in the end."""
    with EbaySandbox() as sandbox:
        yield sandbox
    assert_conforms("ebay", sandbox.exchanges)


@pytest.fixture
def installation(tmp_path: Path, database_url: URL, ebay: EbaySandbox) -> Installation:
    """Commands that know the application's credentials and call the simulated eBay."""
    commands = on_database(tmp_path, database_url)
    commands.environment |= {
        "RUNTIME_EBAY_API_URL": ebay.url,
        "RUNTIME_EBAY_AUTH_URL": ebay.url,
        "RUNTIME_EBAY_CLIENT_ID": ebay.oauth.client_id,
        "RUNTIME_EBAY_CLIENT_SECRET": ebay.oauth.client_secret,
        "RUNTIME_EBAY_RUNAME": ebay.oauth.runame,
    }
    return commands


def connect(
    installation: Installation, token: str, check: bool = True, *more: str
) -> subprocess.CompletedProcess[str]:
    return installation.run(
        "shops", "connect", "ebay", "--user", "7", "--external-id", "example-seller",
        "--refresh-token", token, *more, check=check,
    )  # fmt: skip


def consent(installation: Installation, forged: bool = False) -> subprocess.CompletedProcess[str]:
    """The seller consents in a browser; the operator pastes where it was sent."""
    with subprocess.Popen(
        [
            *installation.command, "shops", "connect", "ebay", "--user", "7",
            "--external-id", "example-seller",
        ],
        env=installation.environment, cwd=installation.data_dir.parent, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        address = next(line for line in process.stdout if line.startswith("http")).strip()
        sent_to = requests.get(address, allow_redirects=False, timeout=60).headers["Location"]
        pasted = sent_to.replace("state=", "state=x") if forged else sent_to
        out, err = process.communicate(pasted + "\n", timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.mark.timeout(300)
def test_a_shop_is_connected_set_and_sells(installation: Installation, ebay: EbaySandbox) -> None:
    token = ebay.connect()["refresh_token"]
    connect(installation, token)
    installation.run("shops", "set", "1", *SETTINGS)
    products = installation.data_dir.parent / "products.jsonl"
    products.write_text(json.dumps(PRODUCT))
    installation.run("products", "import", str(products), "--user", "7")
    with installation.serving():
        installation.run(
            "jobs", "create", "ebay", "publish", "--user", "7", "--shop", "1", "--product", "A-1"
        )
        published = installation.json("jobs", "wait", "1")
        assert published["status"] == "completed", published
        assert ebay.items["A-1"]["locale"] == "fr_FR"
        assert list(ebay.listings) == [published["result"]["external_id"]]

        # The seller takes the consent back; what waits goes on with the next one.
        ebay.oauth.tokens.revoke()
        installation.run("jobs", "create", "ebay", "delete", "--user", "7", "--product", "A-1")
        waiting = wait_until(lambda: _waiting(installation, "2"))
        assert "consent" in waiting["waiting_reason"]
        assert "needs_auth" in json.dumps(installation.json("shops", "list"))
        done = consent(installation)
        assert done.returncode == 0, done.stderr
        assert installation.json("jobs", "wait", "2")["status"] == "completed"
    assert (ebay.listings, len(ebay.fees)) == ({}, 1)
    assert token not in installation.logged()


def _waiting(installation: Installation, job_id: str) -> dict[str, Any] | None:
    job: dict[str, Any] = installation.json("jobs", "show", job_id)
    return job if job["waiting_reason"] and "consent" in job["waiting_reason"] else None


def test_a_refresh_token_that_does_not_count_makes_no_shop(installation: Installation) -> None:
    message = refused(connect(installation, "made-up", check=False))
    assert "the refresh token does not count" in message
    assert installation.json("shops", "list") == []


def test_an_answer_to_another_consent_makes_no_shop(
    installation: Installation, ebay: EbaySandbox
) -> None:
    done = consent(installation, forged=True)
    assert done.returncode != 0
    assert "its state differs" in done.stderr
    assert ebay.done["token"] == 0
    ebay.oauth.declines = True
    declined = consent(installation)
    assert "the consent was not given" in declined.stderr
    assert installation.json("shops", "list") == []


def test_an_account_that_nobody_names_is_asked_for_before_a_consent_is(
    installation: Installation, ebay: EbaySandbox
) -> None:
    done = installation.run("shops", "connect", "ebay", "--user", "7", check=False)
    assert "--external-id" in refused(done)
    assert "consent here" not in done.stdout


def test_a_token_is_not_spent_where_it_cannot_be_kept(
    installation: Installation, ebay: EbaySandbox
) -> None:
    token = ebay.connect()["refresh_token"]
    spent = ebay.done["token"]
    installation.environment["RUNTIME_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    assert connect(installation, token, False).returncode != 0
    assert ebay.done["token"] == spent


def test_a_shop_whose_tokens_no_key_fits_is_connected_anew(
    installation: Installation, ebay: EbaySandbox
) -> None:
    token = ebay.connect()["refresh_token"]
    installation.environment["RUNTIME_ENCRYPTION_KEYS"] = Fernet.generate_key().decode()
    connect(installation, token)
    installation.run("shops", "set", "1", *SETTINGS)
    installation.environment["RUNTIME_ENCRYPTION_KEYS"] = Fernet.generate_key().decode()
    with installation.serving():
        installation.run("jobs", "create", "ebay", "sync", "--user", "7", "--shop", "1")
        wait_until(lambda: installation.json("jobs", "show", "1")["waiting_reason"])
        connect(installation, token)
        assert installation.json("jobs", "wait", "1")["status"] == "completed"


def test_a_setting_that_ebay_does_not_have_is_refused_with_those_it_has(
    installation: Installation, ebay: EbaySandbox
) -> None:
    connect(installation, ebay.connect()["refresh_token"])
    done = installation.run("shops", "set", "1", "site=FR", "currency=euro", check=False)
    message = refused(done)
    for words in ("'site' is no setting of ebay", "currency cannot be 'euro'", "marketplace_id"):
        assert words in message
    assert installation.json("shops", "list")[0]["settings"] == {}


def test_without_the_applications_credentials_it_says_what_to_set(
    installation: Installation,
) -> None:
    del installation.environment["RUNTIME_EBAY_CLIENT_SECRET"]
    assert "RUNTIME_EBAY_CLIENT_SECRET" in refused(connect(installation, "token", check=False))
