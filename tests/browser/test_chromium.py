"""A seller's page in Chromium: the real client, service and handlers, an injected plugin."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from plugins.vinted.protocol import PROTOCOL
from plugins.vinted.sandbox import Wardrobe, example_item
from runtime.bridge.seller_tokens import issue_token
from runtime.errors import BrowserNotReady
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.process.data_directory import media_directory, token_secret
from runtime.runs import failures
from runtime.runs.job_states import JobEvent
from runtime.storage.models import Listing, MarketplaceJob
from runtime.storage.server.engine import Database
from tests.browser.chromium import PATIENCE_SECONDS, Chromium, Tab
from tests.browser.seller_site import PLUGIN, SellerSite
from tests.support.database.job_rows import add_job
from tests.support.deadline import wait_until
from tests.support.marketplaces.action_types import unpaced
from tests.support.marketplaces.vinted_seller import (
    ACCOUNT,
    SELLER,
    hasty_registry,
    product,
)
from tests.support.processes.running_node import Scene, running_node
from tests.support.servers.images import JPEG


@dataclass
class Stage:
    """A service, a site that is allowed to connect to it, and a seller's browser."""

    scene: Scene
    site: SellerSite
    browser: Chromium
    shop_id: int

    def tab(self, user_id: int = SELLER, **query: str) -> Tab:
        """A tab with the seller's page."""
        settings = self.scene.settings
        token = issue_token(
            user_id, token_secret(settings), settings.token_algorithm, timedelta(hours=1)
        )
        bridge = f"http://127.0.0.1:{self.scene.node.bridge_port}"
        return self.browser.tab(
            self.site.page(**{"bridge": bridge, "user": str(user_id), "token": token, **query})
        )

    def start(self, action: str, **input_data: Any) -> int:
        """A job of the seller."""
        return add_job(self.scene.database, self.shop_id, action, input_data=input_data)

    def run(self, action: str, **input_data: Any) -> MarketplaceJob:
        """A job of the seller, once it is over."""
        return self.scene.ended(self.start(action, **input_data), PATIENCE_SECONDS)

    def done(self, action: str, **input_data: Any) -> dict[str, Any]:
        """The result of a job that must succeed."""
        return succeeded(self.run(action, **input_data))

    def publishes(self) -> int:
        """A job whose publishing the plugin has carried out, and may not yet answer."""
        self.site.may_answer.clear()
        job_id = self.start("publish", product=product())
        wait_until(lambda: "Robe A-1" in self.site.titles(), PATIENCE_SECONDS)
        return job_id

    def published_once(self, job_id: int) -> MarketplaceJob:
        """The job once it is over; its item is on sale, once."""
        ended = self.scene.ended(job_id, PATIENCE_SECONDS)
        result = succeeded(ended)
        (item,) = self.site.extension.wardrobe.items()
        assert result["external_id"] == str(item["id"])
        assert self.site.actions().count("VINTED_PUBLISH") == 1
        return ended

    def listings(self) -> dict[str, str]:
        """The status of each listing that the runtime knows."""
        with self.scene.database.session() as session:
            return {one.external_id: one.status for one in session.query(Listing)}


def succeeded(job: MarketplaceJob) -> dict[str, Any]:
    """The result of a job that ended well."""
    assert (job.status, job.error_message) == ("completed", None)
    assert isinstance(job.result_data, dict)
    return job.result_data


@contextmanager
def staged(
    settings: Settings,
    database: Database,
    dist: Path,
    chromium: Chromium,
    plugin: bool = True,
    **changes: Any,
) -> Iterator[Stage]:
    if plugin:
        chromium.inject(PLUGIN)
    with database.session.begin() as session:
        shop_id = MarketplaceJobService(session).add_shop("vinted", SELLER, ACCOUNT).id
    unpaced(database)
    with SellerSite(dist, Wardrobe(shop_id=ACCOUNT)) as site:
        changes = {"bridge_origins": (site.origin,), **changes}
        with running_node(settings, database, hasty_registry(), **changes) as scene:
            yield Stage(scene, site, chromium, shop_id)


@pytest.fixture
def stage(
    settings: Settings, database: Database, dist: Path, chromium: Chromium
) -> Iterator[Stage]:
    with staged(settings, database, dist, chromium) as stage:
        yield stage


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_page_of_another_origin_publishes_syncs_and_deletes(stage: Stage, transport: str) -> None:
    wardrobe = stage.site.extension.wardrobe
    wardrobe.add(example_item(1))
    (media_directory(stage.scene.settings) / "1.jpg").write_bytes(JPEG)
    tab = stage.tab(transports=transport)
    tab.shows("connected")

    published = stage.done("publish", product=product(images=["1.jpg"]))
    item = wardrobe.find(published["external_id"])
    assert item is not None
    assert (item["title"], len(wardrobe.items())) == ("Robe A-1", 2)
    (photo,) = item["photos"]
    fetched = "return fetch(arguments[0]).then((it) => it.blob()).then((it) => [it.type, it.size])"
    assert tab.run(fetched, photo["url"]) == ["image/jpeg", len(JPEG)]

    assert stage.done("sync")["imported"] == 1
    assert set(stage.listings().values()) == {"live"}

    sold = {"external_id": published["external_id"]}
    assert stage.done("delete", **sold)["deleted"] == [sold["external_id"]]
    assert stage.done("delete", **sold)["already_gone"] == [sold["external_id"]]
    assert stage.site.titles() == [example_item(1)["title"]]
    assert stage.listings()[sold["external_id"]] == "gone"
    for action, data in stage.site.extension.answers:
        PROTOCOL[action].is_answer(data)


def test_two_tabs_execute_once_and_the_second_takes_over(stage: Stage) -> None:
    first = stage.tab()
    first.shows("connected")
    second = stage.tab()
    second.shows("waiting-for-tab")
    assert stage.run("publish", product=product("A-1")).status == "completed"
    assert stage.site.tabs() == {first.run("return window.tab")}
    first.close()
    second.shows("connected")
    assert stage.run("publish", product=product("A-2")).status == "completed"
    assert stage.site.executed[-1]["tab"] == second.run("return window.tab")
    assert stage.site.titles() == ["Robe A-2", "Robe A-1"]


def test_a_reload_in_the_middle_of_a_publish_leaves_one_item(stage: Stage) -> None:
    tab = stage.tab()
    tab.shows("connected")
    job_id = stage.publishes()
    tab.reload()
    tab.shows("connected")
    stage.published_once(job_id)
    assert stage.site.actions() == ["VINTED_GET_WARDROBE", "VINTED_PUBLISH", "VINTED_GET_WARDROBE"]


def test_a_tab_closed_in_the_middle_of_a_publish_leaves_one_item(stage: Stage) -> None:
    first = stage.tab()
    first.shows("connected")
    second = stage.tab()
    job_id = stage.publishes()
    first.close()
    second.shows("connected")
    stage.published_once(job_id)


def test_an_answer_that_could_not_be_sent_outlives_a_reload(stage: Stage) -> None:
    tab = stage.tab()
    tab.shows("connected")
    job_id = stage.publishes()
    tab.run("relay.close()")
    stage.site.may_answer.set()
    tab.shows("closed")
    tab.reload()
    tab.shows("connected")
    stage.published_once(job_id)
    assert stage.site.actions() == ["VINTED_GET_WARDROBE", "VINTED_PUBLISH"]


def test_a_browser_killed_in_the_middle_of_a_publish_leaves_one_item(
    stage: Stage, tmp_path: Path
) -> None:
    tab = stage.tab()
    tab.shows("connected")
    job_id = stage.publishes()
    stage.browser.kill()
    with Chromium(tmp_path / "profile") as again:
        again.inject(PLUGIN)
        replace(stage, browser=again).tab().shows("connected")
        stage.published_once(job_id)


def test_without_web_locks_the_bridge_still_chooses_one_tab(stage: Stage) -> None:
    stage.browser.inject("delete Navigator.prototype.locks;")
    first, second = stage.tab(), stage.tab()
    first.shows("connected")
    second.shows("connected")
    assert "no Web Locks" in first.log()
    for sku in ("A-1", "A-2"):
        assert stage.run("publish", product=product(sku)).status == "completed"
    assert len(stage.site.tabs()) == 1
    assert len(stage.site.titles()) == 2


def test_two_sellers_in_one_browser_do_not_wait_for_each_other(stage: Stage) -> None:
    stage.tab(user_id=7).shows("connected")
    stage.tab(user_id=8).shows("connected")


def test_a_page_without_the_plugin_waits_and_is_in_nobodys_way(
    settings: Settings, database: Database, dist: Path, chromium: Chromium
) -> None:
    with staged(settings, database, dist, chromium, plugin=False) as stage:
        first = stage.tab()
        first.shows("waiting-for-plugin")
        chromium.inject(PLUGIN)
        second = stage.tab()
        second.shows("connected")
        first.run(PLUGIN)
        first.shows("waiting-for-tab")
        second.close()
        first.shows("connected")


def test_a_page_whose_plugin_is_removed_says_so_and_makes_way(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stage.tab()
    first.shows("connected")
    second = stage.tab()
    second.shows("waiting-for-tab")
    soon = failures.Consequence(JobEvent.SNOOZE, timedelta(seconds=0.2), awaits_seller=True)
    not_ready = failures.Row(BrowserNotReady, lambda error, of_account: True, soon)
    monkeypatch.setattr(failures, "FAILURES", (not_ready, *failures.FAILURES))
    first.run("delete window.stoflow")
    job_id = stage.start("publish", product=product())
    first.shows("waiting-for-plugin")
    second.shows("connected")
    assert stage.published_once(job_id).retry_count == 0
    assert stage.site.tabs() == {second.run("return window.tab")}


def test_a_page_that_its_browser_puts_away_makes_way(stage: Stage) -> None:
    first = stage.tab()
    first.shows("connected")
    second = stage.tab()
    second.shows("waiting-for-tab")
    first.run("dispatchEvent(new Event('pagehide'))")
    second.shows("connected")
    first.run("dispatchEvent(new Event('pageshow'))")
    first.shows("waiting-for-tab")
    second.close()
    first.shows("connected")


def test_a_page_of_a_foreign_origin_is_told_so(
    settings: Settings, database: Database, dist: Path, chromium: Chromium
) -> None:
    with staged(settings, database, dist, chromium, bridge_origins=()) as stage:
        tab = stage.tab()
        tab.shows("disconnected")
        assert "RUNTIME_BRIDGE_ORIGINS" in tab.log()


def test_a_refused_token_shows(stage: Stage) -> None:
    tab = stage.tab(token="nonsense")
    tab.shows("refused")
    assert "the token is malformed" in tab.log()
