"""The command line as a process: what it prints where, and how it exits."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from sqlalchemy import URL, text

from runtime.errors import DatabaseUnavailable
from runtime.jobs.service import MarketplaceJobService
from runtime.process.config import Settings
from runtime.storage.server import backup
from runtime.storage.server.engine import Database
from tests.support.checkout import CHECKOUT
from tests.support.deadline import wait_until
from tests.support.processes.commands import PATIENCE_SECONDS, on_database, refused, running
from tests.support.processes.service_process import Installation, WarmInstallation


@pytest.fixture
def cli(tmp_path: Path, database_url: URL) -> Installation:
    """Commands on the test's own database."""
    return on_database(tmp_path, database_url)


@pytest.fixture
def shop(database: Database) -> int:
    """Seller 7 with one shop."""
    with database.session.begin() as session:
        return MarketplaceJobService(session).add_shop("vinted", 7, "123", "Closet").id


def test_a_token_is_alone_on_standard_output(tmp_path: Path) -> None:
    cli = WarmInstallation(tmp_path / "data")
    done = cli.run("token", "--user", "7", "--expires", "2h")
    assert done.stderr == ""
    (token,) = done.stdout.splitlines()
    secret = (cli.data_dir / "token_secret").read_text().strip()
    claims = jwt.decode(token, secret, algorithms=["HS256"])
    assert claims["sub"] == "7"
    left = datetime.fromtimestamp(claims["exp"], UTC) - datetime.now(UTC)
    assert timedelta(minutes=110) < left <= timedelta(hours=2)
    assert not (cli.data_dir / "postgres").exists()


def test_a_token_that_the_bridge_would_refuse_is_not_printed(tmp_path: Path) -> None:
    done = WarmInstallation(tmp_path / "data").run(
        "token", "--user", "7", "--expires", "91d", check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "RUNTIME_TOKEN_LONGEST_DAYS" in done.stderr


def test_a_token_needs_neither_eventlet_nor_actors(tmp_path: Path) -> None:
    script = (
        "import sys, run\n"
        "sys.argv = ['run.py', 'token', '--user', '7']\n"
        "try: run.main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('eventlet', 'pykka', 'socketio') if name in sys.modules])"
    )
    cli = Installation(tmp_path / "data")
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**cli.environment, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


def test_shops_are_added_once_and_listed(cli: Installation) -> None:
    arguments = (
        "shops",
        "add",
        "vinted",
        "--user",
        "7",
        "--external-id",
        "123",
        "--name",
        "Closet",
    )
    added = cli.json(*arguments)
    assert cli.json(*arguments) == added
    assert cli.json("shops", "list", "--user", "7") == [added]
    assert cli.json("shops", "list", "--user", "8") == []
    assert "Closet" in cli.run("shops", "list").stdout


def test_handlers_are_listed_with_their_status(cli: Installation) -> None:
    (sync,) = [one for one in cli.json("handlers", "list") if one["key"] == "sync_vinted"]
    assert sync.keys() == {"key", "status", "distribution", "reason"}
    assert (sync["status"], sync["reason"]) == ("loaded", None)


def test_a_name_does_not_reach_the_terminal_as_a_command(cli: Installation) -> None:
    name = "\x1b[31mred[bold]"
    cli.run("shops", "add", "vinted", "--user", "7", "--external-id", "1", "--name", name)
    printed = cli.run("shops", "list").stdout
    assert "\x1b" not in printed
    assert "red[bold]" in printed


def test_doctor_finds_nothing_wrong(cli: Installation) -> None:
    report = cli.json("doctor")
    assert report["ok"] is True
    assert {check["name"]: check["status"] for check in report["checks"]} == dict.fromkeys(
        (
            "settings", "data directory", "secrets", "media directory", "handlers", "database",
            "migrations", "direct connection", "clock", "bridge port",
        ),
        "ok",
    )  # fmt: skip


def test_doctor_looks_whether_images_can_be_stored(cli: Installation, tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    done = cli.run("doctor", "--json", check=False, more={"RUNTIME_MEDIA_DIR": str(occupied)})
    failed = [one for one in json.loads(done.stdout)["checks"] if one["status"] == "failed"]
    assert [one["name"] for one in failed] == ["media directory"]
    assert "RUNTIME_MEDIA_DIR" in failed[0]["detail"]


@pytest.mark.parametrize("name", ["RUNTIME_TOKEN_SECRET", "RUNTIME_ENCRYPTION_KEYS"])
def test_doctor_names_a_secret_that_the_service_would_refuse(cli: Installation, name: str) -> None:
    done = cli.run("doctor", "--json", check=False, more={name: "short"})
    failed = [one for one in json.loads(done.stdout)["checks"] if one["status"] == "failed"]
    assert [one["name"] for one in failed] == ["secrets"]
    assert name in failed[0]["detail"]


def test_doctor_names_what_is_wrong(cli: Installation, database: Database) -> None:
    with database.session.begin() as session:
        session.execute(text("UPDATE marketplace_runtime.alembic_version SET version_num = 'x'"))
    with socket.create_server(("127.0.0.1", cli.port)):
        done = cli.run("doctor", "--json", check=False)
    assert done.returncode == 1
    assert done.stderr == "error: 2 checks failed: migrations, bridge port\n"
    report = json.loads(done.stdout)
    failed = {one["name"]: one["detail"] for one in report["checks"] if one["status"] == "failed"}
    assert "RUNTIME_BRIDGE_PORT" in failed["bridge port"]
    assert "later marketplace-runtime" in failed["migrations"]


def test_a_backup_is_whole_private_and_never_overwritten_by_accident(
    cli: Installation, database: Database, shop: int, tmp_path: Path
) -> None:
    file = tmp_path / "backup.dump"
    done = cli.run("backup", str(file))
    assert "pg_restore" in done.stdout
    assert f"the images in {cli.data_dir / 'media'}" in done.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    assert before.startswith(b"PGDMP")
    assert "--force" in refused(cli.run("backup", str(file), check=False))
    missing = tmp_path / "missing" / "x"
    assert str(missing) in refused(cli.run("backup", str(missing), check=False))
    assert cli.json("backup", str(file), "--force")["bytes"] == file.stat().st_size
    assert [one.name for one in tmp_path.iterdir() if "partial" in one.name] == []


def test_a_backup_that_fails_leaves_what_was_there(
    database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "LOCK_WAIT", "50ms")
    file = tmp_path / "backup.dump"
    file.write_text("the former one")
    with database.session() as session:
        session.execute(text("LOCK TABLE marketplace_runtime.shops IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(DatabaseUnavailable, match="pg_dump"):
            backup.dump(database, settings, file, overwrite=True)
    assert [one.name for one in tmp_path.iterdir()] == ["backup.dump"]
    assert file.read_text() == "the former one"


# --- without a database of one's own ------------------------------------------------------


def test_everything_works_on_a_fresh_data_directory(tmp_path: Path) -> None:
    cli = WarmInstallation(tmp_path / "data")
    assert cli.json("jobs", "list") == []
    cli.json("shops", "add", "vinted", "--user", "7", "--external-id", "123")
    with cli.serving() as process:
        job = cli.json("jobs", "create", "vinted", "sync")
        wait_until(
            lambda: "not connected" in str(cli.json("jobs", "show", str(job["id"]))),
            PATIENCE_SECONDS,
        )
        report = cli.json("doctor")
        assert str(process.pid) in report["checks"][-1]["detail"]
        cli.run("backup", str(tmp_path / "backup.dump"))
        again = cli.run("serve", check=False)
        assert again.returncode == 1
        assert again.stderr.splitlines()[-1].startswith(f"error: port {cli.port} on 127.0.0.1")
    assert "ready" in cli.logged()
    assert cli.json("jobs", "list")[0]["id"] == job["id"]


def test_a_second_signal_ends_at_once() -> None:
    script = (
        "from runtime.cli.stop_signals import StopSignals\n"
        "import threading\n"
        "with StopSignals() as stop:\n"
        "    print('up', flush=True)\n"
        "    stop.wait()\n"
        "    print('stopping', flush=True)\n"
        "    threading.Event().wait(60)\n"
    )
    environment = {"PYTHONPATH": str(CHECKOUT), "PATH": os.environ["PATH"]}
    with running(sys.executable, "-c", script, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert err == "error: stopped at once, by a second signal\n"
