"""Code that was written for the former system runs as it stands, but for its imports."""

import ast
import asyncio
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL
from sqlalchemy.orm import Session

from plugins.vinted.marketplace import vinted
from plugins.vinted.sandbox import SimulatedBrowser, Wardrobe
from plugins.vinted.sandbox.bridge_client import bridge_client, close_client
from runtime import BaseJobHandler
from runtime.applications import (
    Database,
    MarketplaceJobProcessor,
    MarketplaceJobService,
    Settings,
)
from runtime.bridge.seller_tokens import issue_token
from runtime.process.data_directory import token_secret
from tests.support.database.job_rows import add_job, add_shop
from tests.support.processes.commands import on_database
from tests.support.processes.running_node import registry_of, running_node
from tests.support.processes.service_process import Installation

CREATE = """
from services.marketplace import MarketplaceJobService

service = MarketplaceJobService(db)
job = service.create_job(
    marketplace="vinted",
    action_code="sync",
    priority=2
)
# ✅ MarketplaceJob créé avec action_type_id
"""

PROCESS = """
from services.marketplace import MarketplaceJobProcessor

processor = MarketplaceJobProcessor(
    db=db,
    user_id=1,
    shop_id=123,
    marketplace="vinted"
)

result = await processor.process_next_job()
# ✅ Job récupéré, action_type chargé
"""

HANDLE = """
# Dans SyncJobHandler.execute()

response = await self.call_websocket(
    action="VINTED_SYNC",
    payload={"shop_id": self.shop_id},
    timeout=300
)
# ✅ WebSocket call via BaseJobHandler
"""

TRY_TO_CREATE = """
from services.marketplace import MarketplaceJobService
from shared.database import get_db

db = next(get_db())
service = MarketplaceJobService(db)

job = service.create_job(
    marketplace="vinted",
    action_code="sync",
    priority=2
)

print(f"✓ Job créé: #{job.id}, marketplace={job.marketplace}, status={job.status}")
"""

TRY_TO_PROCESS = """
from services.marketplace import MarketplaceJobProcessor

processor = MarketplaceJobProcessor(
    db=db,
    user_id=1,
    shop_id=123,
    marketplace="vinted"
)

result = await processor.process_next_job()
print(result)
"""

FORMER_IMPORT = re.compile(r"^from (services|shared)\..*\n", re.MULTILINE)


def run_snippet(snippet: str, names: dict[str, Any]) -> None:
    """Run it under asyncio, as it stands but for its imports; what it assigns goes to names."""
    code = compile(
        FORMER_IMPORT.sub("", snippet), "snippet", "exec",
        flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
    )  # fmt: skip
    pending = eval(code, names)
    if pending is not None:
        asyncio.run(_awaited(pending))


async def _awaited(pending: Any) -> None:
    await pending


@pytest.fixture
def installation(database_url: URL, tmp_path: Path) -> Installation:
    made = on_database(tmp_path, database_url)
    made.run("shops", "add", "vinted", "--user", "1", "--external-id", "123")
    return made


@pytest.fixture
def names(database: Database) -> Iterator[dict[str, Any]]:
    """Stands for what the former imports gave."""
    opened: list[Session] = []

    def get_db() -> Iterator[Session]:
        opened.append(database.session())
        yield opened[-1]

    yield {
        "MarketplaceJobService": MarketplaceJobService,
        "MarketplaceJobProcessor": MarketplaceJobProcessor,
        "get_db": get_db,
        "db": next(get_db()),
    }
    for session in opened:
        session.close()


@pytest.fixture
def connected(installation: Installation) -> Iterator[SimulatedBrowser]:
    """A running service, and the seller's browser."""
    token = installation.run("token", "--user", "1").stdout.strip()
    with (
        installation.serving(),
        SimulatedBrowser(installation.url, 1, token, Wardrobe.of(5, shop_id="123")) as browser,
    ):
        yield browser


def test_a_job_is_created_and_processed_by_the_running_service(
    names: dict[str, Any], connected: SimulatedBrowser, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = [{"imported": 5, "updated": 0, "errors": 0}, {"imported": 0, "errors": 0}]
    for create, process in ((CREATE, PROCESS), (TRY_TO_CREATE, TRY_TO_PROCESS)):
        run_snippet(create, names)
        run_snippet(process, names)

        result = names["result"]
        assert result.pop("duration_ms") > 0
        assert result.pop("result").items() >= counted.pop(0).items()
        assert result == {
            "job_id": names["job"].id, "marketplace": "vinted", "action": "sync", "success": True,
        }  # fmt: skip
    assert {action for action, _ in connected.executed} == {"VINTED_SYNC"}
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"✓ Job créé: #{names['job'].id}, marketplace=vinted, status=pending"


def test_without_a_service_the_answer_is_the_one_that_is_known(
    names: dict[str, Any],
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("RUNTIME_DATA_DIR", str(tmp_path / "data"))

    run_snippet(CREATE, names)
    run_snippet(PROCESS, names)

    assert names["result"] == {
        "job_id": names["job"].id, "marketplace": "vinted", "action": "sync", "success": False,
        "error": "User 1 not connected via WebSocket", "will_retry": True, "retry_count": 0,
    }  # fmt: skip


def test_a_handler_of_the_former_system_asks_the_sellers_browser(
    database: Database, settings: Settings
) -> None:
    body = textwrap.indent(f"{HANDLE}\nreturn response", "    ")
    made: dict[str, Any] = {}
    exec(f"async def execute(self, job):\n{body}", made)
    execute: Callable[..., Any] = made["execute"]
    handler = type("SyncJobHandler", (BaseJobHandler,), {"execute": execute})
    registry = registry_of(vinted(), handlers={("sync", "vinted"): handler})
    shop = add_shop(database)
    with running_node(settings, database, registry) as scene:
        secret = token_secret(scene.settings)
        token = issue_token(7, secret, "HS256", scene.settings.grace)
        url = f"http://127.0.0.1:{scene.node.bridge_port}"
        page = bridge_client()

        def relay(command: dict[str, Any]) -> None:
            answer = {"request_id": command["request_id"], "success": True, "data": command}
            page.emit("plugin_response", answer)

        page.on("plugin_command", relay)
        page.connect(url, auth={"user_id": 7, "token": token})
        job = scene.ended(add_job(database, shop))
        close_client(page)

    assert job.status == "completed"
    assert isinstance(job.result_data, dict)
    assert job.result_data["action"] == "VINTED_SYNC"
    assert job.result_data["payload"] == {"shop_id": shop}
