"""A product goes from a file through the command line and the service into a wardrobe."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from plugins.vinted.sandbox import SimulatedBrowser, Wardrobe
from tests.support.deadline import wait_until
from tests.support.processes.service_process import Installation, WarmInstallation

PRODUCT = {
    "sku": "A-1", "title": "Robe", "description": "Bleue", "price": "12.50", "currency": "EUR",
    "images": ["https://img.example/1.jpg", "photos/2.png"],
}  # fmt: skip


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return WarmInstallation(tmp_path / "data")


@pytest.fixture
def shop(installation: Installation) -> int:
    """Seller 7 and a shop."""
    added = installation.json("shops", "add", "vinted", "--user", "7", "--external-id", "123")
    return int(added["id"])


LONGEST_SECONDS = 200
"""The service waits for half a minute, in real time, before it looks for what was lost."""

pytestmark = pytest.mark.timeout(LONGEST_SECONDS + 100)


def browser(installation: Installation, wardrobe: Wardrobe) -> SimulatedBrowser:
    token = installation.run("token", "--user", "7").stdout.strip()
    return SimulatedBrowser(installation.url, 7, token, wardrobe)


def publish(installation: Installation, shop: int, *more: str) -> int:
    job = installation.json(
        "jobs", "create", "vinted", "publish", "--user", "7", "--shop", str(shop), *more
    )
    return int(job["id"])


def ended(installation: Installation, job_id: int) -> dict[str, Any]:
    def probe() -> dict[str, Any] | None:
        job: dict[str, Any] = installation.json("jobs", "show", str(job_id))
        return job if job["status"] in {"completed", "failed", "paused"} else None

    return wait_until(probe, LONGEST_SECONDS)


def test_an_imported_product_is_put_on_sale_with_its_photos(
    installation: Installation, shop: int, tmp_path: Path
) -> None:
    (tmp_path / "products.jsonl").write_text(json.dumps(PRODUCT))
    installation.run("products", "import", str(tmp_path / "products.jsonl"), "--user", "7")
    photos = installation.data_dir / "media" / "photos"
    photos.mkdir(parents=True)
    (photos / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    wardrobe = Wardrobe(shop_id="123")
    with installation.serving(), browser(installation, wardrobe) as seller:
        job = ended(installation, publish(installation, shop, "--product", "A-1"))
        payload = seller.executed[-1][1]
    (item,) = wardrobe.items()
    assert job["result"] == {"success": True, "external_id": str(item["id"]), "url": item["url"]}
    assert payload["shop_id"] == "123"
    first, second = payload["product"]["images"]
    assert first == PRODUCT["images"][0]
    assert second.startswith(f"{installation.url}/media/photos/2.png?expires=")


def test_a_service_that_is_killed_in_the_middle_leaves_the_item_on_sale_once(
    installation: Installation, shop: int
) -> None:
    wardrobe = Wardrobe.of(3, shop_id="123")
    inline = json.dumps({"product": {**PRODUCT, "images": PRODUCT["images"][:1]}})
    with installation.serving() as process:
        seller = browser(installation, wardrobe)
        seller.connect()
        seller.faults.only = frozenset({"VINTED_PUBLISH"})
        seller.faults.late = 30
        job_id = publish(installation, shop, "--input", inline)
        wait_until(lambda: "Robe" in wardrobe.titles())
        process.send_signal(signal.SIGKILL)
        process.wait()
        seller.close()
    with installation.serving(), browser(installation, wardrobe):
        job = ended(installation, job_id)
    assert job["status"] == "completed", job
    assert wardrobe.titles().count("Robe") == 1
