"""`run.py products` as a process."""

import json
import signal
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import URL

from runtime.storage.selling import product_rows
from runtime.storage.server.engine import Database
from tests.support.database.job_rows import add_product, add_shop
from tests.support.deadline import wait_until
from tests.support.processes.commands import PATIENCE_SECONDS, on_database, refused
from tests.support.processes.service_process import Installation

GOOD = '{"sku": "A", "title": "Jeans", "price": 12.5, "currency": "EUR", "images": ["1.jpg"]}'


@pytest.fixture
def cli(tmp_path: Path, database_url: URL) -> Installation:
    """Commands on the test's own database."""
    return on_database(tmp_path, database_url)


def write(tmp_path: Path, *lines: str) -> str:
    file = tmp_path / "products.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def test_a_file_is_imported_but_for_the_lines_that_cannot_be(
    cli: Installation, tmp_path: Path
) -> None:
    many = [json.dumps({"sku": f"S{n:03}", "title": "Hat", "price": 5}) for n in range(450)]
    file = write(tmp_path, GOOD, "nonsense", *many, '{"sku": "B", "title": "Hat", "price": 0}')
    done = cli.run("products", "import", file, "--user", "7", check=False)
    assert (done.returncode, done.stdout) == (3, "451 created, 0 updated, 0 unchanged, 2 refused\n")
    first, second = done.stderr.splitlines()
    assert first.startswith("error: line 2: the line is not valid JSON")
    assert second.startswith("error: line 453: the product cannot be used: price")

    summary = cli.run("products", "import", file, "--user", "7", "--json", check=False)
    assert summary.returncode == 3
    told = json.loads(summary.stdout)
    assert [one["line"] for one in told.pop("problems")] == [2, 453]
    assert told == {"lines": 453, "created": 0, "updated": 0, "unchanged": 451, "refused": 2}


def test_a_program_may_pipe_products_in_and_read_them(cli: Installation) -> None:
    imported = subprocess.run(
        [*cli.command, "products", "import", "-", "--user", "7", "--json"],
        env=cli.environment, input=GOOD, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert json.loads(imported.stdout)["created"] == 1
    [listed] = cli.json("products", "list", "--user", "7")
    assert listed == cli.json("products", "show", "A", "--user", "7")
    assert (listed["sku"], listed["price"], listed["images"]) == ("A", "12.50", ["1.jpg"])
    assert cli.json("products", "list", "--user", "8") == []
    shown = cli.run("products", "show", "A", "--user", "7").stdout
    assert "Jeans" in shown
    assert "1.jpg" in shown


def test_an_import_that_was_interrupted_can_be_run_again(
    cli: Installation, tmp_path: Path, database: Database
) -> None:
    many = [json.dumps({"sku": f"S{n:03}", "title": "Hat", "price": 5}) for n in range(300)]
    begun = subprocess.Popen(
        [*cli.command, "products", "import", "-", "--user", "7"],
        env=cli.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with begun:
        assert begun.stdin is not None
        begun.stdin.write("\n".join(many).encode())
        begun.stdin.flush()
        wait_until(lambda: count(database), PATIENCE_SECONDS)
        begun.send_signal(signal.SIGINT)
        assert begun.wait(PATIENCE_SECONDS) == 130
    imported = count(database)
    assert 0 < imported < 300
    done = cli.run("products", "import", write(tmp_path, *many), "--user", "7")
    assert done.stdout == f"{300 - imported} created, 0 updated, {imported} unchanged\n"


def test_the_only_seller_need_not_be_named(
    cli: Installation, tmp_path: Path, database: Database
) -> None:
    add_shop(database, user_id=7)
    add_shop(database, "ebay", user_id=7)
    assert cli.run("products", "import", write(tmp_path, GOOD)).stdout.startswith("1 created")
    shown = cli.json("products", "show", "A")
    assert (shown["user_id"], shown["sku"]) == (7, "A")
    assert cli.json("products", "list") == [shown]


def test_a_seller_is_one_by_products_too(
    cli: Installation, tmp_path: Path, database: Database
) -> None:
    add_product(database, "A", user_id=9)
    assert cli.json("products", "show", "A")["user_id"] == 9
    assert cli.run("products", "import", write(tmp_path, GOOD)).stdout.startswith("0 created, 1 up")


def test_none_or_several_sellers_have_to_be_told_apart(
    cli: Installation, tmp_path: Path, database: Database
) -> None:
    commands = [("products", "import", write(tmp_path, GOOD)), ("products", "show", "A")]
    for command in commands:
        told = refused(cli.run(*command, check=False))
        assert told.startswith("there is no seller yet")
        assert "--user ID" in told
    add_shop(database, user_id=8)
    add_product(database, "B", user_id=7)
    for command in commands:
        told = refused(cli.run(*command, check=False))
        assert told == "there are several sellers; name one of them with --user: 7, 8"
    for user_id in (3, 4, 5, 6):
        add_shop(database, user_id=user_id)
    assert refused(cli.run(*commands[0], check=False)).endswith("3, 4, 5, 6, 7, ...")
    assert [one["sku"] for one in cli.json("products", "list")] == ["B"]


def count(database: Database) -> int:
    with database.session() as session:
        return len(product_rows.list_products(session, user_id=7))


def test_what_cannot_be_used_is_one_clear_line(
    cli: Installation, tmp_path: Path, database: Database
) -> None:
    add_shop(database)
    for sku in ("B-1", "B-2"):
        add_product(database, sku)
    cases = {
        ("products", "import", str(tmp_path / "none"), "--user", "7"): "No such file",
        ("products", "import", str(tmp_path), "--user", "7"): "directory",
        ("products", "show", "C", "--user", "7"): "no product with the SKU 'C'; there are B-1, B-2",
        ("products", "show", "C", "--user", "8"): "nor any other",
        ("jobs", "create", "vinted", "publish", "--product", "C"): "there are B-1, B-2",
        ("jobs", "create", "vinted", "publish", "--product-id", "99"): "user 7 has no product 99",
        ("jobs", "create", "vinted", "publish", "--input", '{"product": {"sku": "C"}}'):
            "title is missing; price is missing",
    }  # fmt: skip
    for arguments, names in cases.items():
        assert names in refused(cli.run(*arguments, check=False))
    both = ("jobs", "create", "vinted", "publish", "--product", "B-1", "--product-id", "1")
    assert "not both" in refused(cli.run(*both, check=False), 2)
