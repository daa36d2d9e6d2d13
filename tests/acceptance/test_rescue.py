"""A killed service: its jobs are taken over within seconds, by another or by the next one."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from runtime.applications import Database, Settings, open_database
from runtime.storage.models import MarketplaceJob
from tests.support.database.job_rows import get_job
from tests.support.deadline import wait_until
from tests.support.processes.seller_page import SellerPage
from tests.support.processes.service_process import Installation, WarmInstallation

RESCUED_WITHIN_SECONDS = 15.0
"""On an idle machine it takes one; without the rescue a job would run until it is given up."""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return WarmInstallation(tmp_path / "data")


@pytest.fixture
def database(installation: Installation) -> Iterator[Database]:
    opened = open_database(Settings(data_dir=installation.data_dir))
    yield opened
    opened.dispose()


def start_a_job(installation: Installation) -> tuple[int, SellerPage]:
    """A job that runs because its seller's page has been asked, and has not answered."""
    shop = installation.json("shops", "add", "vinted", "--user", "7", "--external-id", "1")
    page = SellerPage(installation, 7, pages=1)
    page.may_answer.clear()
    job = installation.json("jobs", "create", "vinted", "sync", "--shop", str(shop["id"]))
    wait_until(lambda: page.commands)
    return job["id"], page


def wait_for_an_old_server(database: Database) -> None:
    """Just after it started nobody can have renewed a lock, so nobody is called dead so soon."""

    def uptime() -> bool:
        with database.session() as session:
            query = "SELECT now() - pg_postmaster_start_time() > interval '10 seconds'"
            return bool(session.scalar(text(query)))

    wait_until(uptime)


def is_rescued(database: Database, job_id: int) -> bool:
    """Pending again, or already claimed again: its seller's page may be back before us."""
    job = get_job(database, job_id)
    return job.status == "pending" or job.fence > 1


def ended_job(database: Database, job_id: int) -> MarketplaceJob | None:
    """The job, once it is over."""
    job = get_job(database, job_id)
    return job if job.completed_at is not None else None


def test_another_service_rescues_the_jobs_of_a_killed_one(
    installation: Installation, database: Database
) -> None:
    with installation.serving() as first:
        job_id, page = start_a_job(installation)
        other = WarmInstallation(installation.data_dir)
        with other.serving(RUNTIME_BRIDGE_PORT=str(other.port)):
            wait_for_an_old_server(database)
            first.kill()
            first.wait()
            killed_at = time.monotonic()
            wait_until(lambda: is_rescued(database, job_id))
            assert time.monotonic() - killed_at < RESCUED_WITHIN_SECONDS
        page.close()
    assert get_job(database, job_id).retry_count == 0


def test_the_next_service_rescues_the_jobs_of_a_killed_one(
    installation: Installation, database: Database
) -> None:
    with installation.serving() as first:
        job_id, page = start_a_job(installation)
        wait_for_an_old_server(database)
        first.kill()
        first.wait()
        killed_at = time.monotonic()
        page.close()
    with installation.serving():
        started_after = time.monotonic() - killed_at
        wait_until(lambda: is_rescued(database, job_id))
        took = time.monotonic() - killed_at
        page = SellerPage(installation, 7, pages=1)
        ended = wait_until(lambda: ended_job(database, job_id))
        assert (ended.status, ended.retry_count) == ("completed", 0)
        page.close()
    assert took < max(RESCUED_WITHIN_SECONDS, started_after + RESCUED_WITHIN_SECONDS)


def test_a_slow_job_of_a_living_service_is_not_rescued(
    installation: Installation, database: Database
) -> None:
    with installation.serving(RUNTIME_DRAIN_SECONDS="0.5"):
        job_id, page = start_a_job(installation)
        other = WarmInstallation(installation.data_dir)
        with other.serving(RUNTIME_BRIDGE_PORT=str(other.port)):
            until = time.monotonic() + 4
            wait_until(lambda: time.monotonic() > until)
            job = get_job(database, job_id)
            assert (job.status, job.fence) == ("running", 1)
        page.close()
