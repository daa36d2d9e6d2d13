"""eBay's tokens and limits: jobs wait for them, and few calls are spent on them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from runtime.process.config import Settings
from runtime.rate_limits.closures import Closure
from runtime.sandbox import Fault
from runtime.storage.models import MarketplaceJob
from runtime.storage.queue.closure_rows import closures_of
from runtime.storage.server.engine import Database
from tests.support.deadline import wait_until
from tests.support.marketplaces.ebay_seller import EbayShop, open_ebay, product


@pytest.fixture
def shop(settings: Settings, database: Database) -> Iterator[EbayShop]:
    with open_ebay(settings, database) as opened:
        yield opened


def test_jobs_wait_for_a_consent_that_was_taken_back_and_go_on_with_the_next(
    shop: EbayShop,
) -> None:
    shop.ebay.oauth.tokens.revoke()
    jobs = [shop.job("publish", product=product(sku)) for sku in ("A-1", "B-2")]
    first = wait_until(
        lambda: next((one for one in shop.rows(MarketplaceJob) if one.waiting_reason), None)
    )
    assert "consent" in first.waiting_reason
    assert shop.ebay.items == {}
    shop.consent()
    ended = [shop.scene.ended(job_id) for job_id in jobs]
    assert [(job.status, job.retry_count) for job in ended] == [("completed", 0)] * 2
    assert len(shop.ebay.fees) == 2


def test_twenty_jobs_that_meet_an_expired_token_at_once_renew_it_once(shop: EbayShop) -> None:
    shop.ebay.oauth.tokens.expire_access()
    jobs = [shop.job("delete", product=product(f"SKU-{number}")) for number in range(20)]
    assert {shop.scene.ended(job_id).status for job_id in jobs} == {"completed"}
    assert shop.ebay.done["token"] == 1


def test_a_token_that_ends_in_the_middle_of_a_job_is_renewed_without_an_attempt(
    shop: EbayShop,
) -> None:
    shop.ebay.faults.plan("createOffer", Fault.SLOW, delay=timedelta(seconds=0.5))
    job_id = shop.job("publish", product=product())
    wait_until(lambda: shop.ebay.asked["createOffer"])
    shop.ebay.oauth.tokens.expire_access()
    job = shop.scene.ended(job_id)
    assert (job.status, job.retry_count) == ("completed", 0)
    assert (len(shop.ebay.fees), shop.ebay.done["token"]) == (1, 1)


@pytest.mark.parametrize("operation", ["createOffer", "publishOffer"])
def test_too_many_requests_are_waited_out_without_an_attempt(
    shop: EbayShop, operation: str
) -> None:
    shop.ebay.faults.plan(operation, Fault.LIMITED, headers={"retry-after": "1"})
    job = shop.run("publish", product=product())
    assert (job.status, job.retry_count) == ("completed", 0)
    assert len(shop.ebay.fees) == len(shop.ebay.offers) == 1


def test_a_quota_that_is_used_up_is_asked_for_once_and_waited_for(shop: EbayShop) -> None:
    shop.ebay.limits.quotas["inventory"].limit = 2
    job_id = shop.job("publish", product=product())
    job = shop.waits(job_id, "answered 429")
    closure = wait_until(lambda: closed(shop, "are used up"))
    reset = shop.ebay.limits.quotas["inventory"].reset
    assert closure.until is not None
    assert abs(closure.until - reset) < timedelta(seconds=1)
    assert (job.status, job.retry_count) == ("pending", 0)
    assert shop.ebay.done["getRateLimits"] == 1
    refused = [one for one in shop.ebay.exchanges if one.answer.status == 429]
    assert len(refused) == 1


def closed(shop: EbayShop, words: str) -> Closure | None:
    """Return the scope that is closed for a reason with these words in it, or None."""
    with shop.database.session() as session:
        return next((one for one in closures_of(session, ["ebay"]) if words in one.reason), None)
