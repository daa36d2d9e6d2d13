"""The command handlers list."""

import typer

from runtime.cli.options import AsJson
from runtime.cli.output import print_json, print_table
from runtime.handlers.registry import load_registry

app = typer.Typer(help="Handler plugins.")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List every installed handler, with the reason if it cannot be used."""
    records = load_registry().records
    if as_json:
        print_json(
            [
                {
                    "key": one.key,
                    "status": one.status,
                    "distribution": one.distribution,
                    "reason": one.reason,
                }
                for one in records
            ]
        )
    else:
        print_table(
            ("key", "status", "distribution", "reason"),
            [(one.key, one.status, one.distribution, one.reason) for one in records],
        )
