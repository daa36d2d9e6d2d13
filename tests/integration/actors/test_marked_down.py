"""A marketplace whose actor keeps failing is marked down, for everybody to see."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import URL

from actors.base_actor import BaseActor
from actors.children import MAX_FAILURES
from actors.supervisor import SupervisorActor
from runtime import BaseJobHandler, Marketplace, messages
from runtime.process.config import Settings
from runtime.storage.nodes.liveness import circumstances
from runtime.storage.server.engine import Database
from tests.support.deadline import wait_until
from tests.support.processes.commands import on_database
from tests.support.processes.running_node import Scene, registry_of, running_node

REGISTRY = registry_of(
    Marketplace("vinted", browser_bound=True), Marketplace("ebay"),
    handlers={("sync", "vinted"): BaseJobHandler},
)  # fmt: skip


def supervisor_of(scene: Scene) -> SupervisorActor:
    supervisor = scene.actor(messages.SUPERVISOR)
    assert isinstance(supervisor, SupervisorActor)
    return supervisor


def retry(scene: Scene, actor: BaseActor) -> None:
    again = messages.RestartDue(actor.name, actor.incarnation)
    scene.node._directory.tell(messages.SUPERVISOR, again)


def replace_supervisor(scene: Scene, _actor: BaseActor) -> None:
    vars(supervisor_of(scene))["_children"] = None
    scene.node._directory.tell(messages.SUPERVISOR, messages.CheckChildren())


@pytest.mark.parametrize("start_again", [retry, replace_supervisor])
def test_a_marketplace_that_is_marked_down_shows_until_it_runs_again(
    settings: Settings,
    database: Database,
    database_url: URL,
    tmp_path: Path,
    start_again: Callable[[Scene, BaseActor], None],
) -> None:
    def down() -> dict[str, str]:
        with database.session() as session:
            return dict(circumstances(session, []).down)

    with running_node(settings, database, REGISTRY) as scene:
        vinted = wait_until(lambda: scene.actor(messages.marketplace_actor("vinted")))
        supervisor_of(scene)._children[vinted.name]._failures = MAX_FAILURES
        vars(vinted)["_lanes"] = None
        scene.node._directory.tell(vinted.name, object())
        wait_until(lambda: down().keys() == {"vinted"})
        listed = on_database(tmp_path, database_url).run("marketplaces", "list", "--json").stdout
        (reason,) = (one["down"] for one in json.loads(listed) if one["marketplace"] == "vinted")
        assert reason == [{"node": scene.node._node_id, "reason": down()["vinted"]}]
        shown = on_database(tmp_path, database_url).run("marketplaces", "list").stdout
        assert "down on node" in shown

        start_again(scene, vinted)
        wait_until(lambda: not down())
