"""doctor --structure: migrations, action types and handlers, each against the others."""

import json
from pathlib import Path

import pytest
from sqlalchemy import URL, text

from runtime import BaseJobHandler, Marketplace
from runtime.cli.commands.structure_check import examine_structure
from runtime.handlers.consistency import checklist
from runtime.handlers.registry import HandlerRecord, Registry
from runtime.process.config import Settings
from runtime.runs.job import handler_key
from runtime.storage.server.engine import Database
from tests.support.database.migrating import EBAY, ETSY, VINTED, run
from tests.support.processes.commands import on_database

SEEDED = {
    "vinted": [row[0] for row in VINTED],
    "ebay": [row[0] for row in EBAY],
    "etsy": [row[0] for row in ETSY],
}
PAIRS = [(marketplace, code) for marketplace, codes in SEEDED.items() for code in codes]


def registry(without: str = "", reason: str | None = None) -> Registry:
    """All seventeen handlers, but for one."""
    keys = [handler_key(code, marketplace) for marketplace, code in PAIRS]
    return Registry(
        tuple(
            HandlerRecord(key, "failed", "tests", reason)
            if key == without
            else HandlerRecord(key, "loaded", "tests")
            for key in keys
            if key != without or reason
        ),
        {name: Marketplace(name) for name in SEEDED},
        {key: BaseJobHandler for key in keys if key != without},
    )


def test_the_checklist_of_a_whole_installation(settings: Settings) -> None:
    found = list(examine_structure(settings, registry()))

    assert {one.status for one in found} == {"ok"}
    assert [one.name for one in found] == [
        "migrations", "ebay handlers", "etsy handlers", "vinted handlers", "action types",
        "handler keys",
    ]  # fmt: skip
    assert found[1].detail == (
        "5 of 5: delete_ebay, publish_ebay, sync_ebay, sync_orders_ebay, update_ebay"
    )
    assert found[3].detail.startswith("7 of 7: ")
    assert found[4].detail == "17 in public.marketplace_action_types"


def test_this_installation_has_all_seventeen(database_url: URL, tmp_path: Path) -> None:
    said = on_database(tmp_path, database_url).run("doctor", "--structure").stdout

    assert "vinted handlers: 7 of 7" in said
    assert "ebay handlers: 5 of 5" in said
    assert "etsy handlers: 5 of 5" in said


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (None, "sync_etsy has no handler (no installed handler plugin has that key)"),
        ("ImportError: no requests", "sync_etsy has no handler (ImportError: no requests)"),
    ],
)
def test_an_action_without_a_handler_is_named(
    settings: Settings, reason: str | None, said: str
) -> None:
    found = {one.name: one for one in examine_structure(settings, registry("sync_etsy", reason))}

    assert (found["etsy handlers"].status, found["etsy handlers"].detail) == ("failed", said)
    assert found["vinted handlers"].status == "ok"


def test_a_handler_without_an_action_is_named(database: Database, settings: Settings) -> None:
    run(database, "DELETE FROM public.marketplace_action_types WHERE code = 'sync_orders'")

    found = {one.name: one for one in examine_structure(settings, registry())}

    assert found["action types"].detail == (
        "sync_orders_ebay has a handler and no row (sync_orders on ebay): `python run.py serve` "
        "inserts it; sync_orders_etsy has a handler and no row (sync_orders on etsy): "
        "`python run.py serve` inserts it"
    )


def test_a_handler_that_cannot_be_loaded_is_named_without_its_action_too() -> None:
    parts = {one.name: one for one in checklist([], registry("sync_etsy", "ImportError: no x"))}

    assert parts["action types"].wrong[-1] == (
        "sync_etsy has no row and could not be loaded (ImportError: no x)"
    )


def test_a_key_that_is_read_as_another_pair_is_named() -> None:
    parts = {one.name: one for one in checklist([("big_cartel", "sync")], Registry())}

    (told,) = parts["handler keys"].wrong
    assert told == (
        "sync on big_cartel gives the key sync_big_cartel, which is read as sync_big on cartel: "
        "a marketplace's name has no underscore"
    )


def test_the_command_prints_the_checklist_and_exits_1_where_something_is_wrong(
    database: Database, database_url: URL, tmp_path: Path
) -> None:
    with database.session.begin() as session:
        session.execute(
            text(
                "INSERT INTO public.marketplace_action_types (marketplace, code, name) "
                "VALUES ('vinted', 'relist', 'Relist')"
            )
        )
    command = on_database(tmp_path, database_url)

    done = command.run("doctor", "--structure", check=False)

    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "ok       migrations: up to date"
    assert "relist_vinted has no handler" in done.stdout
    assert done.stderr.startswith("error: ")
    report = json.loads(command.run("doctor", "--structure", "--json", check=False).stdout)
    assert (report["ok"], report["checks"][0]["name"]) == (False, "migrations")


def test_tables_that_are_missing_are_named(empty_database_url: URL, tmp_path: Path) -> None:
    done = on_database(tmp_path, empty_database_url).run("doctor", "--structure", check=False)

    assert done.returncode == 1
    assert "run `python run.py migrate`" in done.stderr
