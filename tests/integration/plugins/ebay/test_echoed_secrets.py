"""A marketplace repeats everything that it was sent, and nothing of it is found anywhere."""

import base64
import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, text

from runtime.process.config import Settings
from runtime.sandbox.exchange import Answer, Request
from runtime.sandbox.server import Sandbox
from runtime.storage.server import backup
from runtime.storage.server.engine import Database
from tests.support.marketplaces.ebay_seller import open_ebay, product
from tests.support.processes.commands import on_database

TABLES = """
SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""


def everything_in(database: Database) -> str:
    with database.session() as session:
        tables = session.scalars(text(TABLES)).all()
        rows = [session.scalars(text(f"SELECT t::text FROM {one} t")).all() for one in tables]
    return "\n".join(row for of_one in rows for row in of_one)


def test_no_secret_of_a_run_is_found_in_log_tables_commands_or_backup(
    settings: Settings,
    database: Database,
    database_url: URL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    secrets: set[str] = set()
    refuses_tokens = threading.Event()

    def echo(sandbox: Sandbox, request: Request, route: Any, answer: Answer) -> Answer:
        header = request.headers.get("authorization", "")
        sent = [header.partition(" ")[2]]
        if header.startswith("Basic "):
            sent.append(base64.b64decode(sent[0]).decode().split(":", 1)[1])
            sent += [value for name, value in request.form_pairs() if name == "refresh_token"]
        secrets.update(one for one in sent if one)
        words = " ".join(sent) + f" {base64.b64encode(header.encode()).decode()}"
        error = {"errorId": 25002, "domain": "API", "category": "REQUEST", "message": words}
        body = {"errors": [error], "error": words, "error_description": words}
        is_refused = refuses_tokens.is_set() and header.startswith("Bearer ")
        return Answer(401 if is_refused else 400, body, {"x-echo": words})

    monkeypatch.setattr(Sandbox, "_noted", echo)
    with open_ebay(settings, database, conforms=False) as shop:
        failed = shop.job("publish", product=product())
        shop.scene.ended(failed)
        refuses_tokens.set()
        waiting = shop.job("delete", product=product())
        shop.waits(waiting, "it is tried again")
        cli = on_database(tmp_path, database_url)
        shown = json.dumps(cli.json("jobs", "show", str(failed)))
        shown += cli.run("jobs", "show", str(waiting)).stdout + cli.run("shops", "list").stdout
    file = tmp_path / "backup.dump"
    dump = backup.dump(database, settings, file, overwrite=True)
    restored = subprocess.run([dump.restore, "-f", "-", str(file)], capture_output=True, check=True)
    out, err = capfd.readouterr()
    places = {
        "tables": everything_in(database),
        "commands": shown,
        "backup": restored.stdout.decode(),
        "log": out + err,
    }
    assert "[redacted]" in places["tables"], "the echo arrived"
    assert len(secrets) >= 4, "an access token, a refresh token, and the application's secret"
    for secret in secrets:
        for place, content in places.items():
            assert secret not in content, f"a secret is in the {place}"
            assert base64.b64encode(secret.encode()).decode()[2:-4] not in content, place
