"""The product of a job: named, or standing in the job; and its images on their way to a browser."""

import http.client
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from runtime import ActionType, BaseJobHandler, Job, Marketplace
from runtime.errors import InvalidProduct, JobFailed, ProductNotFound
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.process.data_directory import media_directory
from runtime.products.product import checked_product
from runtime.storage.models import Product
from runtime.storage.selling import product_rows
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_job, add_product, add_shop, get_job, result_of
from tests.support.deadline import wait_until
from tests.support.handlers.handler_harness import make_job
from tests.support.processes.running_node import Scene, StartNode, registry_of, running_node
from tests.support.servers.image_host import serving_images
from tests.support.servers.images import GIF, JPEG, PNG

PAGE = "https://app.example"
INLINE = {"sku": "A", "title": "Given with the job", "price": "7.00"}
AT_ONCE = ActionType("do", "Do", rate_limit=timedelta(0), max_retries=0)


@pytest.fixture
def shop_id(database: Database) -> int:
    return add_shop(database)


@pytest.fixture
def run(settings: Settings, database: Database) -> StartNode:
    """Start a node with that handler."""

    def start(handler: type[BaseJobHandler]) -> AbstractContextManager[Scene]:
        marketplace = Marketplace("example", base_url="http://127.0.0.1:1", action_types=(AT_ONCE,))
        registry = registry_of(marketplace, handlers={("do", "example"): handler})
        return running_node(settings, database, registry, bridge_origins=(PAGE,))

    return start


class TestCreation:
    def test_a_product_must_be_there_and_be_the_sellers(
        self, database: Database, shop_id: int
    ) -> None:
        strangers = add_product(database, "B", user_id=8)
        for product_id in (strangers, 10**9):
            with pytest.raises(ProductNotFound, match=f"user 7 has no product {product_id}"):
                add_job(database, shop_id, "publish", product_id=product_id)
        mine = add_product(database, "A")
        job = get_job(database, add_job(database, shop_id, "publish", product_id=mine))
        assert (job.product_id, job.product_key, job.input_data) == (mine, f"id:{mine}", {})

    def test_one_that_stands_in_the_job_is_checked_and_completed(
        self, database: Database, shop_id: int
    ) -> None:
        given = {"product": INLINE | {"price": 7}, "more": 1}
        job = get_job(database, add_job(database, shop_id, "publish", input_data=given))
        assert job.input_data == {"product": checked_product(INLINE), "more": 1}
        assert (job.product_id, job.product_key) == (None, "sku:A")
        all_wrong: tuple[object, ...] = ({"sku": "A"}, [], "A", {})
        for wrong in all_wrong:
            with pytest.raises(InvalidProduct, match=r"input_data\.product"):
                add_job(database, shop_id, "publish", input_data={"product": wrong})

    def test_of_both_the_one_in_the_job_counts_and_is_the_same_product(
        self, database: Database, shop_id: int
    ) -> None:
        mine = add_product(database, "A")
        for named in (None, mine):
            job_id = add_job(
                database, shop_id, "publish", force=True, product_id=named,
                input_data={"product": INLINE},
            )  # fmt: skip
            job = get_job(database, job_id)
            assert (job.product_id, job.product_key) == (mine, f"id:{mine}")
            assert job.input_data["product"]["title"] == "Given with the job"

    def test_a_job_without_a_product_has_none(self, database: Database, shop_id: int) -> None:
        for given in ({}, {"product": None}):
            job = get_job(database, add_job(database, shop_id, "sync", input_data=given))
            assert (job.product_id, job.product_key) == (None, None)

    def test_a_key_returns_the_job_although_its_product_was_found_by_its_sku(
        self, database: Database, shop_id: int
    ) -> None:
        add_product(database, "A")
        given: dict[str, Any] = {"input_data": {"product": INLINE}, "idempotency_key": "k"}
        first = add_job(database, shop_id, "publish", **given)
        assert add_job(database, shop_id, "publish", user_id=7, **given) == first


def test_a_job_works_with_the_product_as_it_was_when_it_first_started(
    run: StartNode, database: Database
) -> None:
    seen = []

    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> Any:
            assert self.product is not None
            seen.append(self.product["title"])
            if len(seen) == 1:
                await self.run_blocking(change)
                raise OSError("again")
            return self.product

    def change() -> None:
        with database.session.begin() as session:
            given = checked_product({"sku": "A", "title": "changed", "price": 5})
            product_rows.upsert_products(session, 7, [given])

    shop_id = add_shop(database, "ebay")
    product_id = add_product(database, "A", quantity=3)
    with run(Do) as scene:
        shop_id = add_shop(database, "example")
        job_id = add_job(database, shop_id, "do", "example", product_id=product_id, max_retries=1)
        job = scene.ended(job_id)
        inline = add_job(
            *(database, shop_id, "do", "example"),
            product_id=product_id, input_data={"product": INLINE},
        )  # fmt: skip
        scene.ended(inline)
    assert seen == ["Title A", "Title A", "Given with the job"]
    assert result_of(job)["quantity"] == 3
    assert job.product_snapshot == job.result_data


def test_a_product_that_was_deleted_before_the_job_started_fails_it(
    run: StartNode, database: Database
) -> None:
    class Do(BaseJobHandler):
        async def execute(self, job: Job) -> Any:
            return self.product

    product_id = add_product(database, "A")
    with run(Do) as scene:
        shop_id = add_shop(database, "example")
        with database.session.begin() as session:
            created = MarketplaceJobService(session).create_job(
                "example", "do", product_id=product_id, shop_id=shop_id
            )
            session.delete(session.get_one(Product, product_id))
        job = scene.ended(created.id)
    assert job.status == "failed"
    assert f"product {product_id} was deleted" in (job.error_message or "")


def test_a_handler_that_needs_no_product_may_do_without_a_deleted_one() -> None:
    handler = BaseJobHandler(make_job(product_id=5))
    with pytest.raises(JobFailed):
        _ = handler.product
    assert BaseJobHandler(make_job()).product is None


class Sends(BaseJobHandler):
    """Returns what a browser would be sent."""

    async def execute(self, job: Job) -> dict[str, Any]:
        assert self.product is not None
        images = self.product["images"]
        return {
            "urls": await self.image_urls(images),
            "size": len(await self.image_bytes(images[0])),
        }


def test_a_browser_fetches_the_images_of_the_media_directory(
    run: StartNode, settings: Settings, database: Database
) -> None:
    (media_directory(settings) / "photos").mkdir()
    (media_directory(settings) / "photos" / "été 1.jpg").write_bytes(JPEG)
    (media_directory(settings) / "page.jpg").write_bytes(PNG)
    images = ["photos/été 1.jpg", "https://x.example/2.jpg", "page.jpg"]
    product_id = add_product(database, "A", images=images)
    with run(Sends) as scene:
        shop_id = add_shop(database, "example")
        job_id = add_job(database, shop_id, "do", "example", product_id=product_id)
        result = result_of(scene.ended(job_id))
        ours, remote, page = result["urls"]
        assert remote == images[1]
        assert result["size"] == len(JPEG)
        (media_directory(settings) / "page.jpg").write_bytes(b"<script>")
        assert ours.startswith(f"http://127.0.0.1:{scene.node.bridge_port}/media/")

        answer = requests.get(ours, headers={"Origin": PAGE}, timeout=60)
        assert (answer.status_code, answer.content) == (200, JPEG)
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        head = requests.head(ours, timeout=60)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Length"] == str(len(JPEG))
        assert "Access-Control-Allow-Origin" not in head.headers

        statuses = {
            "another method": requests.post(ours, timeout=60),
            "no signature": requests.get(ours.split("?")[0], timeout=60),
            "another path": requests.get(ours.replace("1.jpg", "2.jpg"), timeout=60),
            "another time": requests.get(ours.replace("expires=", "expires=9"), timeout=60),
            "another page": requests.get(
                ours, headers={"Origin": "https://evil.example"}, timeout=10
            ),
            "no image": requests.get(page, timeout=60),
            "elsewhere": requests.get(ours.replace("/media/", "/else/"), timeout=60),
        }
        assert {what: answer.status_code for what, answer in statuses.items()} == {
            "another method": 405, "no signature": 403, "another path": 403, "another time": 403,
            "another page": 403, "no image": 404, "elsewhere": 404,
        }  # fmt: skip
        parts = urlsplit(ours)
        for path in ("/media/../token_secret", "/media/%2e%2e/token_secret", "/media//etc/passwd"):
            assert raw_status(scene.node.bridge_port, f"{path}?{parts.query}") == 403


def raw_status(port: int, target: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", target)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_photos_are_downloaded_one_step_each_and_none_twice(
    run: StartNode,
    settings: Settings,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Downloads(BaseJobHandler):
        async def execute(self, job: Job) -> Any:
            assert self.product is not None
            urls = enumerate(self.product["images"])
            return [await self.step(f"photo-{n}", self.download_image(url)) for n, url in urls]

    monkeypatch.setattr("runtime.runs.settlement.FIRST_DELAY", timedelta(milliseconds=10))
    with serving_images(tmp_path) as host:
        monkeypatch.setattr("runtime.http.download.DEFAULT_LIMITS", host.limits())
        host.answers = {"/1": (200, {}, JPEG), "/2": (503, {}, b""), "/3": (200, {}, PNG)}
        images = [host.url(path) for path in host.answers]
        product_id = add_product(database, "A", images=images)
        with run(Downloads) as scene:
            given = {"product_id": product_id, "max_retries": 1000}
            job_id = add_job(database, add_shop(database, "example"), "do", "example", **given)
            wait_until(lambda: get_job(database, job_id).retry_count)
            host.answers["/2"] = (200, {}, GIF)
            paths = scene.ended(job_id).result_data
    assert isinstance(paths, list)
    kept = [(media_directory(settings) / path).read_bytes() for path in paths]
    assert kept == [JPEG, GIF, PNG]
    assert [path for _, path in host.asked].count("/1") == 1


def test_an_image_that_is_not_there_fails_the_job_by_its_name(
    run: StartNode, database: Database
) -> None:
    product_id = add_product(database, "A", images=["photos/none.jpg"])
    with run(Sends) as scene:
        shop_id = add_shop(database, "example")
        job = scene.ended(add_job(database, shop_id, "do", "example", product_id=product_id))
    assert job.status == "failed"
    assert "photos/none.jpg" in (job.error_message or "")
