"""Etsy's tokens and limits: jobs wait for them, and few calls are spent on them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from runtime.process.config import Settings
from runtime.sandbox import Fault
from runtime.storage.models import MarketplaceJob
from runtime.storage.server.engine import Database
from tests.integration.cli.test_etsy import consented
from tests.support.deadline import wait_until
from tests.support.marketplaces.etsy_shop import EtsyShop, etsy_environment, open_shop, product
from tests.support.processes.service_process import Installation


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[EtsyShop]:
    with open_shop(settings, database) as opened:
        yield opened


@pytest.fixture
def cli(settings: Settings, shop: EtsyShop) -> Installation:
    """Commands beside the running node."""
    installation = Installation(settings.data_dir)
    installation.environment |= etsy_environment(shop.etsy)
    assert settings.database_url is not None
    installation.environment["RUNTIME_DATABASE_URL"] = settings.database_url.get_secret_value()
    return installation


def test_jobs_wait_for_a_consent_that_ended_and_go_on_with_the_next(
    shop: EtsyShop, cli: Installation
) -> None:
    shop.etsy.oauth.tokens.revoke()
    jobs = [shop.job("publish", product=product(sku)) for sku in ("A-1", "B-2")]
    first = wait_until(
        lambda: next((one for one in shop.rows(MarketplaceJob) if one.waiting_reason), None)
    )
    assert "consent" in first.waiting_reason
    assert shop.states() == {}
    assert consented(cli).startswith("shop 1: 5001 on etsy, connected")
    ended = [shop.scene.ended(job_id) for job_id in jobs]
    assert [(job.status, job.retry_count) for job in ended] == [("completed", 0)] * 2
    assert len(shop.etsy.fees) == 2


def test_twenty_jobs_that_meet_an_expired_token_at_once_renew_it_once(shop: EtsyShop) -> None:
    shop.etsy.oauth.tokens.expire_access()
    jobs = [shop.job("delete", external_id=str(number)) for number in range(1, 21)]
    assert {shop.scene.ended(job_id).status for job_id in jobs} == {"completed"}
    assert shop.etsy.done["token"] == 1
    assert shop.etsy.oauth.tokens.refreshes == 1


def test_a_token_that_ends_in_the_middle_of_a_job_is_renewed_without_an_attempt(
    shop: EtsyShop,
) -> None:
    shop.etsy.faults.plan("uploadListingImage", Fault.SLOW, delay=timedelta(seconds=0.5))
    job_id = shop.job("publish", product=product())
    wait_until(lambda: shop.etsy.asked["uploadListingImage"])
    shop.etsy.oauth.tokens.expire_access()
    job = shop.scene.ended(job_id)
    assert (job.status, job.retry_count) == ("completed", 0)
    assert (len(shop.etsy.fees), shop.etsy.done["token"]) == (1, 1)


def test_a_low_limit_slows_jobs_down_and_costs_them_no_attempt(shop: EtsyShop) -> None:
    shop.etsy.limits.per_second.limit = 3
    jobs = [shop.job("delete", external_id=str(number)) for number in range(1, 13)]
    ended = [shop.scene.ended(job_id, seconds=60) for job_id in jobs]
    assert {(job.status, job.retry_count) for job in ended} == {("completed", 0)}
    admitted = [one for one in shop.etsy.exchanges if one.answer.status != 429]
    assert len(admitted) == 12


def test_a_day_that_is_used_up_closes_the_application_for_as_long_as_etsy_says(
    shop: EtsyShop,
) -> None:
    shop.etsy.limits.per_day.limit = 2
    job = shop.waits(shop.job("publish", product=product()), "etsy")
    assert (job.status, job.retry_count) == ("pending", 0)
    assert len(shop.etsy.exchanges) <= 3
    assert shop.etsy.fees == []


def test_a_key_that_etsy_refuses_is_told_in_its_words(shop: EtsyShop) -> None:
    shop.etsy.oauth.shared_secret = "another"
    assert "Shared secret is required in x-api-key" in shop.failed("sync")
