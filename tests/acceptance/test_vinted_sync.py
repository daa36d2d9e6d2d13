"""A Vinted sync job goes from the command line through the service and a seller's socket."""

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.deadline import wait_until
from tests.support.processes.seller_page import SellerPage
from tests.support.processes.service_process import Installation, WarmInstallation


@pytest.fixture
def installation(tmp_path: Path, request: pytest.FixtureRequest) -> Installation:
    return getattr(request, "param", WarmInstallation)(tmp_path / "data")


@pytest.fixture
def shop(installation: Installation) -> int:
    """Seller 7 and a shop, added before any service runs."""
    added = installation.json(
        "shops", "add", "vinted", "--user", "7", "--external-id", "123", "--name", "Closet"
    )
    return int(added["id"])


def create(installation: Installation, shop: int, *more: str) -> dict[str, Any]:
    job: dict[str, Any] = installation.json(
        "jobs", "create", "vinted", "sync", "--user", "7", "--shop", str(shop), *more
    )
    return job


def show(installation: Installation, job_id: int) -> dict[str, Any]:
    job: dict[str, Any] = installation.json("jobs", "show", str(job_id))
    return job


@pytest.mark.parametrize("installation", [Installation], indirect=True, ids=["in earnest"])
def test_a_sync_job_is_answered_page_by_page(installation: Installation, shop: int) -> None:
    with installation.serving():
        browser = SellerPage(installation, 7, pages=3)
        job = create(installation, shop)
        assert job["status"] == "pending"
        installation.run("jobs", "wait", str(job["id"]))
        ended = show(installation, job["id"])
        assert ended["status"] == "completed"
        assert ended["result"] == {
            "success": True, "imported": 9, "updated": 0, "errors": 0, "gone": 0, "pages": 3,
        }  # fmt: skip
        assert [one["action"] for one in browser.commands] == ["VINTED_SYNC"] * 3
        assert browser.commands[0]["payload"] == {"shop_id": "123", "page": 1, "per_page": 96}
        assert len({one["request_id"] for one in browser.commands}) == 3
        browser.close()
    logged = installation.logged()
    assert '"job": ' in logged
    assert "eyJ" not in logged
    assert "Traceback" not in logged


def test_a_job_waits_for_its_seller_and_says_so(installation: Installation, shop: int) -> None:
    with installation.serving():
        job = create(installation, shop)
        wait_until(
            lambda: (
                show(installation, job["id"])["waiting_reason"]
                == "User 7 not connected via WebSocket"
            ),
            10,
        )
        browser = SellerPage(installation, 7, pages=1)
        done = installation.run("jobs", "wait", str(job["id"]), "--json")
        assert '"completed"' in done.stdout
        assert show(installation, job["id"])["retry_count"] == 0
        browser.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_hands_back_what_runs_and_leaves_nothing_behind(
    installation: Installation, shop: int, number: signal.Signals
) -> None:
    with installation.serving(RUNTIME_DRAIN_SECONDS="0.5") as process:
        browser = SellerPage(installation, 7, pages=1)
        browser.may_answer.clear()
        job = create(installation, shop)
        wait_until(lambda: browser.commands)
        postgres = [one for one in psutil.process_iter() if _serves(one, installation)]
        assert postgres
        process.send_signal(number)
        assert process.wait(60) == 0, installation.logged()
        browser.may_answer.set()
        browser.close()
    wait_until(lambda: not any(one.is_running() for one in postgres))
    handed_back = show(installation, job["id"])
    assert (handed_back["status"], handed_back["retry_count"]) == ("pending", 0)


def test_a_second_service_on_the_same_port_says_what_to_do(
    installation: Installation, shop: int
) -> None:
    with installation.serving():
        second = installation.run("serve", check=False)
    assert second.returncode == 1
    last = second.stderr.strip().splitlines()[-1]
    assert last.startswith("error: port ")
    assert "RUNTIME_BRIDGE_PORT" in last


def _serves(process: psutil.Process, installation: Installation) -> bool:
    try:
        return str(installation.data_dir) in " ".join(process.cmdline())
    except psutil.Error:
        return False
