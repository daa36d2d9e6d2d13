"""From an empty directory to a sale on Etsy, as an operator does it; and through a kill."""

import json
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from plugins.etsy.sandbox import EtsySandbox
from runtime.sandbox import Fault
from tests.support.deadline import wait_until
from tests.support.marketplaces.etsy_shop import etsy_environment, product
from tests.support.marketplaces.openapi_validation import assert_conforms
from tests.support.processes.service_process import Installation, WarmInstallation
from tests.support.servers.images import JPEG


@pytest.fixture
def etsy() -> Iterator[EtsySandbox]:
    with EtsySandbox() as sandbox:
        yield sandbox
    assert_conforms("etsy", sandbox.exchanges)


@pytest.fixture
def installation(tmp_path: Path, etsy: EtsySandbox) -> Installation:
    """A connected shop that is set up, and an imported product with its photos."""
    made = WarmInstallation(tmp_path / "data")
    made.environment |= etsy_environment(etsy)
    token = etsy.connect()["refresh_token"]
    made.run("shops", "connect", "etsy", "--user", "7", "--refresh-token", token)
    made.run(
        "shops", "set", "1", "currency=EUR", "who_made=someone_else", "when_made=2010_2019",
        'taxonomy_map={"dresses": 374}', "shipping_profile_id=9001",
    )  # fmt: skip
    photos = made.data_dir / "media" / "photos"
    photos.mkdir(parents=True)
    for number in (1, 2):
        (photos / f"{number}.jpg").write_bytes(JPEG)
    (tmp_path / "products.jsonl").write_text(json.dumps(product()))
    made.run("products", "import", str(tmp_path / "products.jsonl"), "--user", "7")
    return made


def publish(installation: Installation) -> int:
    job = installation.json(
        "jobs", "create", "etsy", "publish", "--user", "7", "--shop", "1", "--product", "A-1"
    )
    return int(job["id"])


def ended(installation: Installation, job_id: int) -> dict[str, Any]:
    def probe() -> dict[str, Any] | None:
        job: dict[str, Any] = installation.json("jobs", "show", str(job_id))
        return job if job["status"] in {"completed", "failed", "paused"} else None

    return wait_until(probe, 90)


def test_an_imported_product_is_put_on_sale_with_its_photos(
    installation: Installation, etsy: EtsySandbox
) -> None:
    with installation.serving():
        job = ended(installation, publish(installation))
    assert job["status"] == "completed", job
    (listing_id,) = etsy.listings
    listing = etsy.listings[listing_id]
    assert job["result"]["external_id"] == str(listing_id)
    assert (listing["state"], len(listing["images"]), len(etsy.fees)) == ("active", 2, 1)


def test_a_service_that_is_killed_while_it_activates_pays_once(
    installation: Installation, etsy: EtsySandbox
) -> None:
    etsy.faults.plan("updateListing", Fault.SLOW, delay=timedelta(seconds=30))
    with installation.serving() as process:
        job_id = publish(installation)
        wait_until(lambda: etsy.fees, 60)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with installation.serving():
        job = ended(installation, job_id)
    assert job["status"] == "completed", job
    assert [one["state"] for one in etsy.listings.values()] == ["active"]
    assert len(etsy.fees) == 1
