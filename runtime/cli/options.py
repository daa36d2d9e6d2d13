"""Options that several commands share."""

from typing import Annotated

import typer

from runtime.values.arguments import LARGEST_ID

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JobId = Annotated[int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="The job's id.")]
Marketplace = Annotated[str | None, typer.Option(help="Show only this marketplace.")]
ShopId = Annotated[int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="The shop's id.")]
EXAMPLE = "For example vinted."
"""The hint for an option that names a marketplace."""

MarketplaceName = Annotated[str, typer.Argument(metavar="NAME", help=EXAMPLE)]
Reason = Annotated[str | None, typer.Option(help="The reason, in words for people.")]
Until = Annotated[
    str | None, typer.Option(help="An ISO time; without a time zone it is local time.")
]
For = Annotated[str | None, typer.Option("--for", help="A length of time: 45s, 30m, 12h, 30d, 2w.")]
