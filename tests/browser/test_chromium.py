"""A seller's page in Chromium: the real client, the real service, an injected plugin."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from runtime.data_directory import token_secret
from runtime.storage.models import MarketplaceJob
from runtime.tokens import issue_token
from tests.browser.browsed import browsed_registry
from tests.browser.chromium import PATIENCE_SECONDS, Chromium, Tab
from tests.browser.seller_site import PLUGIN, SellerSite
from tests.deadline import wait_until
from tests.integration.job_rows import add_job, add_shop, inline_product
from tests.integration.running_node import Scene, running_node

PRODUCT = inline_product()["product"]


@dataclass
class Stage:
    """A service, a site that is allowed to connect to it, and a seller's browser."""

    scene: Scene
    site: SellerSite
    browser: Chromium
    shop_id: int

    def tab(self, user_id: int = 7, **query: str) -> Tab:
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

    def executes(self, action: str) -> None:
        """Wait until the plugin has been asked to."""
        wait_until(lambda: action in self.site.actions(), PATIENCE_SECONDS)


@contextmanager
def staged(
    settings, database, dist, chromium: Chromium, plugin: bool = True, **changes: Any
) -> Iterator[Stage]:
    if plugin:
        chromium.inject(PLUGIN)
    with SellerSite(dist) as site:
        changes = {"bridge_origins": (site.origin,), **changes}
        with running_node(settings, database, browsed_registry(), **changes) as scene:
            yield Stage(scene, site, chromium, add_shop(scene.database))


@pytest.fixture
def stage(settings, database, dist, chromium) -> Iterator[Stage]:
    with staged(settings, database, dist, chromium) as stage:
        yield stage


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_page_of_another_origin_executes_what_it_is_sent(stage, transport):
    stage.site.items = [{"id": 2, "title": "Hat"}, {"id": 1, "title": "Shoe"}]
    stage.tab(transports=transport).shows("connected")
    assert stage.run("sync").result_data["imported"] == 2
    asked = {"method": "GET", "endpoint": "/api/v2/users/1", "data": None}
    assert stage.run("generic", **asked).result_data == {"asked": asked}
    published = stage.run("publish", product=PRODUCT)
    assert published.result_data["item"]["id"] == 3
    assert len(stage.site.items) == 3


def test_two_tabs_execute_once_and_the_second_takes_over(stage):
    first = stage.tab()
    first.shows("connected")
    second = stage.tab()
    second.shows("waiting-for-tab")
    assert stage.run("publish", product=PRODUCT).status == "completed"
    assert stage.site.tabs() == {first.run("return window.tab")}
    first.close()
    second.shows("connected")
    assert stage.run("publish", product=PRODUCT).status == "completed"
    assert stage.site.executed[-1]["tab"] == second.run("return window.tab")
    assert len(stage.site.items) == 2


def test_a_reload_in_the_middle_of_a_publish_leaves_one_item(stage):
    tab = stage.tab()
    tab.shows("connected")
    stage.site.may_answer.clear()
    job_id = stage.start("publish", product=PRODUCT)
    stage.executes("VINTED_PUBLISH")
    tab.reload()
    tab.shows("connected")
    wait_until(lambda: "status=ok" in tab.log(), PATIENCE_SECONDS)
    stage.site.may_answer.set()
    ended = stage.scene.ended(job_id, PATIENCE_SECONDS)
    assert (ended.status, ended.result_data["item"]["id"]) == ("completed", 1)
    assert stage.site.actions() == ["VINTED_PUBLISH", "VINTED_GET_WARDROBE"]


def test_a_tab_closed_in_the_middle_of_a_publish_leaves_one_item(stage):
    first = stage.tab()
    first.shows("connected")
    second = stage.tab()
    stage.site.may_answer.clear()
    job_id = stage.start("publish", product=PRODUCT)
    stage.executes("VINTED_PUBLISH")
    first.close()
    second.shows("connected")
    stage.site.may_answer.set()
    assert stage.scene.ended(job_id, PATIENCE_SECONDS).status == "completed"
    assert len(stage.site.items) == 1
    assert stage.site.actions().count("VINTED_PUBLISH") == 1


def test_an_answer_that_could_not_be_sent_outlives_a_reload(stage):
    tab = stage.tab()
    tab.shows("connected")
    stage.site.may_answer.clear()
    job_id = stage.start("publish", product=PRODUCT)
    stage.executes("VINTED_PUBLISH")
    tab.run("relay.close()")
    stage.site.may_answer.set()
    tab.shows("closed")
    tab.reload()
    tab.shows("connected")
    ended = stage.scene.ended(job_id, PATIENCE_SECONDS)
    assert (ended.status, ended.result_data["item"]["id"]) == ("completed", 1)
    assert stage.site.actions() == ["VINTED_PUBLISH"]


def test_a_browser_killed_in_the_middle_of_a_publish_leaves_one_item(stage, tmp_path):
    tab = stage.tab()
    tab.shows("connected")
    stage.site.may_answer.clear()
    job_id = stage.start("publish", product=PRODUCT)
    stage.executes("VINTED_PUBLISH")
    stage.browser.kill()
    stage.site.may_answer.set()
    with Chromium(tmp_path / "profile") as again:
        again.inject(PLUGIN)
        again_stage = replace(stage, browser=again)
        again_stage.tab().shows("connected")
        assert stage.scene.ended(job_id, PATIENCE_SECONDS).status == "completed"
    assert len(stage.site.items) == 1
    assert stage.site.actions().count("VINTED_PUBLISH") == 1


def test_without_web_locks_the_bridge_still_chooses_one_tab(stage):
    stage.browser.inject("delete Navigator.prototype.locks;")
    first, second = stage.tab(), stage.tab()
    first.shows("connected")
    second.shows("connected")
    assert "no Web Locks" in first.log()
    for _ in range(2):
        assert stage.run("publish", product=PRODUCT).status == "completed"
    assert len(stage.site.tabs()) == 1
    assert len(stage.site.items) == 2


def test_two_sellers_in_one_browser_do_not_wait_for_each_other(stage):
    stage.tab(user_id=7).shows("connected")
    stage.tab(user_id=8).shows("connected")


def test_a_page_without_the_plugin_waits_and_is_in_nobodys_way(settings, database, dist, chromium):
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


def test_a_page_whose_plugin_is_removed_says_so_and_makes_way(stage):
    first = stage.tab()
    first.shows("connected")
    second = stage.tab()
    second.shows("waiting-for-tab")
    first.run("delete window.stoflow")
    ended = stage.run("publish", product=PRODUCT)
    assert ended.status == "failed"
    assert "VINTED_PUBLISH was not executed" in ended.error_message
    first.shows("waiting-for-plugin")
    second.shows("connected")
    assert stage.site.items == []


def test_a_page_that_its_browser_puts_away_makes_way(stage):
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


def test_a_page_of_a_foreign_origin_is_told_so(settings, database, dist, chromium):
    with staged(settings, database, dist, chromium, bridge_origins=()) as stage:
        tab = stage.tab()
        tab.shows("disconnected")
        assert "RUNTIME_BRIDGE_ORIGINS" in tab.log()


def test_a_refused_token_shows(stage):
    tab = stage.tab(token="nonsense")
    tab.shows("refused")
    assert "the token is malformed" in tab.log()
