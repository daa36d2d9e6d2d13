"""Options that several commands share."""

from typing import Annotated

import typer

from runtime.arguments import LARGEST_ID

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JobId = Annotated[int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="The job's id.")]
Marketplace = Annotated[str | None, typer.Option(help="Only this marketplace's.")]
