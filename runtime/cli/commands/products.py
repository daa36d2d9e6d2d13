"""The commands products import, list and show."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from sqlalchemy.orm import Session

from runtime.cli.context import command_session
from runtime.cli.moments import local_time
from runtime.cli.options import AsJson
from runtime.cli.output import print_error, print_fields, print_json, print_line, print_table
from runtime.cli.progress import reading_bar
from runtime.errors import InputError
from runtime.jobs.product_choice import product_of_sku
from runtime.products.json_lines import Line, read_lines
from runtime.products.product import FIELDS
from runtime.shops.sellers import chosen_seller
from runtime.storage.models import Product
from runtime.storage.selling import product_rows
from runtime.values.arguments import LARGEST_ID, checked_id

SOME_UNUSABLE = 3
"""The exit code of an import that skipped lines."""
PORTION = 200
MOST_TOLD = 20
KEPT_PROBLEMS = 1_000

app = typer.Typer(help="Products.")
_User = Annotated[
    int | None,
    typer.Option(
        min=1, max=LARGEST_ID, help="The id of the seller; may be left out if there is only one."
    ),
]


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON lines; - is standard input.")],
    user: _User = None,
    restock: Annotated[
        bool,
        typer.Option(
            "--restock",
            help="Set each quantity, although the last import had the same; pieces that were sold "
            "since are on sale again.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Import a seller's products, one JSON object on each line; twice is the same as once.

    A line that cannot be used is named by its number, and all others are imported. Exit code 0:
    every line was imported; 3: some were left out.
    """
    counts: Counter[str] = Counter(lines=0, created=0, updated=0, unchanged=0, refused=0)
    problems: list[dict[str, Any]] = []
    with _opened(file) as (stream, size), command_session() as session:
        with session.begin():
            # The seller is chosen before the file is read: a wrong one is told at once. The
            # transaction ends here, because each batch begins one of its own.
            seller = chosen_seller(session, user)
        with reading_bar(Path(file).name, size) as count:
            for portion in _portions(read_lines(stream, count)):
                _import_portion(session, seller, portion, counts, restock=restock)
                problems += [_problem(line) for line in portion if line.flaw is not None]
                # A file of millions of wrong lines must not fill the memory.
                del problems[KEPT_PROBLEMS:]
    if as_json:
        print_json({**counts, "problems": problems})
    else:
        _tell(counts, problems)
    if counts["refused"]:
        raise typer.Exit(SOME_UNUSABLE)


@app.command("list")
def list_(
    user: Annotated[int | None, typer.Option(help="Show only products of this seller.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The largest number of products.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List products in the order of their SKUs."""
    with command_session() as session:
        if user is not None:
            checked_id(user, "user")
        found = product_rows.list_products(session, user_id=user, limit=limit)
        if as_json:
            print_json([_view(product) for product in found])
        else:
            print_table(
                ("id", "user", "sku", "title", "price", "quantity", "images"),
                [
                    (
                        *(one.id, one.user_id, one.sku, one.title),
                        " ".join(filter(None, (one.data["price"], one.data["currency"]))),
                        *(one.quantity, len(one.data["images"])),
                    )
                    for one in found
                ],
            )


@app.command()
def show(
    sku: Annotated[str, typer.Argument(metavar="SKU")],
    user: _User = None,
    as_json: AsJson = False,
) -> None:
    """Show a product."""
    with command_session() as session:
        product = product_of_sku(session, chosen_seller(session, user), sku)
        if as_json:
            print_json(_view(product))
            return
        told = _view(product)
        images, attributes = told.pop("images"), told.pop("attributes")
        moments = {name: local_time(told.pop(name)) for name in ("created_at", "updated_at")}
        told |= {f"image {rank}": image for rank, image in enumerate(images, 1)}
        told |= {f"attribute {name}": value for name, value in attributes.items()} | moments
        print_fields((name.replace("_", " "), value) for name, value in told.items())


@contextmanager
def _opened(file: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """Yield the file, and its size where that is known."""
    if file == "-":
        yield sys.stdin.buffer, None
        return
    path = Path(file)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from None
    with stream:
        # A pipe such as <(…) has no size.
        yield stream, path.stat().st_size if path.is_file() else None


def _portions(lines: Iterator[Line]) -> Iterator[list[Line]]:
    portion: list[Line] = []
    for line in lines:
        portion.append(line)
        if len(portion) == PORTION:
            yield portion
            portion = []
    if portion:
        yield portion


def _import_portion(
    session: Session, seller: int, portion: list[Line], counts: Counter[str], *, restock: bool
) -> None:
    """Store a portion in a transaction of its own, so that an interruption costs one at most."""
    usable = [line.product for line in portion if line.product is not None]
    with session.begin():
        counts.update(product_rows.upsert_products(session, seller, usable, restock=restock))
    counts.update(lines=len(portion), refused=len(portion) - len(usable))


def _problem(line: Line) -> dict[str, Any]:
    return {"line": line.number, "error": line.flaw}


def _tell(counts: Counter[str], problems: list[dict[str, Any]]) -> None:
    for one in problems[:MOST_TOLD]:
        print_error(f"line {one['line']}: {one['error']}")
    if counts["refused"] > MOST_TOLD:
        more = counts["refused"] - MOST_TOLD
        print_error(f"{more:,} more lines cannot be used (--json names {KEPT_PROBLEMS:,} of them)")
    told = [f"{counts[name]:,} {name}" for name in ("created", "updated", "unchanged")]
    print_line(", ".join(told) + (f", {counts['refused']:,} refused" if counts["refused"] else ""))


def _view(product: Product) -> dict[str, Any]:
    return {
        "id": product.id,
        "user_id": product.user_id,
        **{name: product.data[name] for name in FIELDS},
        "created_at": product.created_at.isoformat(),
        "updated_at": product.updated_at.isoformat(),
    }
