"""The commands batches create, list, show, cancel and wait."""

from typing import Annotated

import typer
from sqlalchemy.orm import Session

from runtime.cli.batch_output import print_batch, print_batches, waiting_bar
from runtime.cli.context import Plugins, command_session
from runtime.cli.options import EXAMPLE, AsJson, Marketplace
from runtime.errors import BatchNotFound
from runtime.jobs.batch_service import Batch, BatchJobService
from runtime.runs.batch_status import BatchStatus
from runtime.shops.choice import check_marketplace
from runtime.storage.queue.action_types import find_action_type
from runtime.values.arguments import LARGEST_ID
from runtime.values.json_values import parsed_object

NOT_COMPLETED = 3
"""The exit code of a wait whose batch did not complete."""

BatchId = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=LARGEST_ID, help="The batch's id.")
]

app = typer.Typer(help="Many jobs that were created together.")


@app.command()
def create(
    marketplace: Annotated[str, typer.Argument(help=EXAMPLE)],
    action: Annotated[str, typer.Argument(help="For example publish.")],
    products: Annotated[list[int], typer.Argument(help="The ids of the products.")],
    user: Annotated[int | None, typer.Option(help="The id of the seller.")] = None,
    shop: Annotated[int | None, typer.Option(help="The id of the shop.")] = None,
    priority: Annotated[int | None, typer.Option(help="1 (critical) to 4 (low).")] = None,
    input_: Annotated[str, typer.Option("--input", help="A JSON object for each job.")] = "{}",
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Publish products that are on sale in that shop already, too."
        ),
    ] = False,
    wait_: Annotated[bool, typer.Option("--wait", help="Wait until the batch is over.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create one job for each product, all of them or none."""
    input_data = parsed_object(input_, "--input")
    with command_session() as session:
        if find_action_type(session, marketplace, action) is None:
            # The plugin may have been installed since a service last started; its actions are added
            # now.
            Plugins().introduce(session)
        batch = BatchJobService(session).create_batch_job(
            marketplace,
            action,
            products,
            priority,
            user,
            shop_id=shop,
            input_data=input_data,
            force=force,
        )
        # Services see the jobs only now.
        session.commit()
        if wait_:
            _finish_waiting(session, batch.id, None, as_json)
        else:
            print_batch(batch, as_json)


@app.command("list")
def list_(
    marketplace: Marketplace = None,
    all_: Annotated[bool, typer.Option("--all", help="List batches that are over, too.")] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="The largest number of batches.")
    ] = 50,
    as_json: AsJson = False,
) -> None:
    """List batches that are not over, the newest first."""
    with command_session() as session:
        if marketplace is not None:
            check_marketplace(session, marketplace)
        service = BatchJobService(session)
        listed = service.list_batches if all_ else service.list_active_batches
        print_batches(listed(marketplace, limit), as_json)


@app.command()
def show(batch_id: BatchId, as_json: AsJson = False) -> None:
    """Show a batch: its status, and the number of its jobs in each status."""
    with command_session() as session:
        print_batch(_read(session, batch_id), as_json)


@app.command()
def cancel(batch_id: BatchId, as_json: AsJson = False) -> None:
    """Cancel the jobs that are not over; the service ends those that run."""
    with command_session() as session:
        batch = BatchJobService(session).cancel_batch(batch_id)
        session.commit()
        print_batch(batch, as_json)


@app.command()
def wait(
    batch_id: BatchId,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, max=1e9, help="Stop waiting after this number of seconds."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Wait until all jobs are over. Exit code 0: all completed; 3: some did not."""
    with command_session() as session:
        _finish_waiting(session, batch_id, timeout, as_json)


def _finish_waiting(session: Session, batch_id: int, timeout: float | None, as_json: bool) -> None:
    with waiting_bar() as look:
        batch = BatchJobService(session).wait(batch_id, timeout, look)
    print_batch(batch, as_json)
    if batch.status != BatchStatus.COMPLETED:
        raise typer.Exit(NOT_COMPLETED)


def _read(session: Session, batch_id: int) -> Batch:
    batch = BatchJobService(session).get_batch_by_id(batch_id)
    if batch is None:
        raise BatchNotFound(batch_id)
    return batch
