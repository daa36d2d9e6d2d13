"""The commands jobs create, list, show, wait, cancel, pause, resume and retry."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from runtime.cli.commands.explain import explain
from runtime.cli.context import Plugins, command_session
from runtime.cli.job_output import print_job, print_jobs
from runtime.cli.moments import parse_moment
from runtime.cli.options import EXAMPLE, AsJson, JobId, Marketplace
from runtime.cli.output import print_aside
from runtime.cli.progress import waiting_bar
from runtime.errors import JobNotFound
from runtime.jobs.product_choice import product_of_sku
from runtime.jobs.service import MarketplaceJobService
from runtime.jobs.views import job_views, step_view
from runtime.runs.job_states import JobStatus
from runtime.shops.choice import check_marketplace, chosen_shop
from runtime.storage.models import MarketplaceJob
from runtime.storage.queue.job_rows import job_with_code, list_jobs
from runtime.values.arguments import LARGEST_ID
from runtime.values.json_values import parsed_object

NOT_COMPLETED = 3
"""The exit code of a wait whose job did not complete."""

app = typer.Typer(help="Jobs.")
app.command()(explain)


@app.command()
def create(
    marketplace: Annotated[str, typer.Argument(help=EXAMPLE)],
    action: Annotated[str, typer.Argument(help="For example sync.")],
    user: Annotated[int | None, typer.Option(help="The id of the seller.")] = None,
    shop: Annotated[int | None, typer.Option(help="The id of the shop.")] = None,
    product: Annotated[str | None, typer.Option(help="The SKU of a product.")] = None,
    product_id: Annotated[
        int | None, typer.Option(help="The id of a product, in place of --product.")
    ] = None,
    priority: Annotated[int | None, typer.Option(help="1 (critical) to 4 (low).")] = None,
    input_: Annotated[str, typer.Option("--input", help="A JSON object for the handler.")] = "{}",
    at: Annotated[
        str | None,
        typer.Option(help="The earliest start, an ISO time; without a time zone it is local time."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="An idempotency key: with the same key, the first job is shown again."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Publish the product although it is on sale in that shop."),
    ] = False,
    wait_: Annotated[bool, typer.Option("--wait", help="Wait until the job is over.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create a job. User and shop may be left out where there is only one."""
    if product is not None and product_id is not None:
        raise typer.BadParameter("give --product or --product-id, not both")
    # Mistakes are told before the database is opened, for which an embedded server may have to
    # start.
    input_data = parsed_object(input_, "--input")
    run_at = None if at is None else parse_moment(at)
    with command_session() as session:
        service = MarketplaceJobService(session)
        plugins = Plugins()
        if service.get_action_type(marketplace, action) is None:
            # The plugin may have been installed since a service last started; its actions are added
            # now.
            plugins.introduce(session)
        if product is not None:
            seller = chosen_shop(session, marketplace, user, shop).user_id
            product_id = product_of_sku(session, seller, product).id
        job = service.create_job(
            marketplace,
            action,
            product_id=product_id,
            priority=priority,
            input_data=input_data,
            user_id=user,
            shop_id=shop,
            run_at=run_at,
            idempotency_key=key,
            force=force,
        )
        # The view is taken before the commit, because a running service may change the job at once.
        created = _view(session, job.id, plugins)
        session.commit()
        if wait_:
            _finish_waiting(session, job.id, None, as_json)
        else:
            print_job(created, as_json)


@app.command("list")
def list_(
    status: Annotated[JobStatus | None, typer.Option(help="Show only jobs of this status.")] = None,
    marketplace: Marketplace = None,
    batch: Annotated[
        int | None, typer.Option(min=1, max=LARGEST_ID, help="Show only jobs of this batch.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="The largest number of jobs.")
    ] = 50,
    as_json: AsJson = False,
) -> None:
    """List jobs, the newest first."""
    with command_session() as session:
        if marketplace is not None:
            check_marketplace(session, marketplace)
        rows = list_jobs(
            session, status=status, marketplace=marketplace, batch_id=batch, limit=limit
        )
        print_jobs(job_views(session, rows, Plugins().lanes_of), as_json)


@app.command()
def show(job_id: JobId, as_json: AsJson = False) -> None:
    """Show a job: its status, the reason why it waits, and its steps."""
    with command_session() as session:
        view = _view(session, job_id, Plugins())
        steps = [step_view(step) for step in MarketplaceJobService(session).get_job_tasks(job_id)]
        print_job(view | {"steps": steps}, as_json)


@app.command()
def wait(
    job_id: JobId,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, max=1e9, help="Stop waiting after this number of seconds."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Wait until a job is over. Exit code 0: it completed; 3: it did not."""
    with command_session() as session:
        _finish_waiting(session, job_id, timeout, as_json)


@app.command()
def cancel(job_id: JobId, as_json: AsJson = False) -> None:
    """Cancel a job; if it is running, its service ends it."""
    _change(job_id, as_json, MarketplaceJobService.cancel_job)


@app.command()
def pause(job_id: JobId, as_json: AsJson = False) -> None:
    """Pause a job until it is resumed; if it is running, it stops at its next call."""
    _change(job_id, as_json, MarketplaceJobService.pause_job)


@app.command()
def resume(
    job_id: JobId,
    step: Annotated[str | None, typer.Option(help="The step about which the job asks.")] = None,
    happened: Annotated[
        str | None,
        typer.Option(
            help="The step took effect, with this result: a JSON object such as '{\"id\": 5}'."
        ),
    ] = None,
    did_not_happen: Annotated[
        bool, typer.Option("--did-not-happen", help="The step took no effect; it is done again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let a paused job go on; if it asks whether a step took effect, answer with the options."""
    # An answer without a step, or a step without an answer, would be taken for a mere resume.
    answers = (happened is not None) + did_not_happen
    if answers != (step is not None) or answers > 1:
        raise typer.BadParameter(
            "give --step together with either --happened or --did-not-happen, or none of them"
        )
    if step is None:
        _change(job_id, as_json, MarketplaceJobService.resume_job)
        return
    result = None if happened is None else parsed_object(happened, "--happened")
    _change(
        job_id,
        as_json,
        lambda service, job: service.answer_step(job, step, happened=result),
    )


@app.command()
def retry(job_id: JobId, as_json: AsJson = False) -> None:
    """Run a job again that failed, expired, was cancelled or is paused."""
    _change(job_id, as_json, MarketplaceJobService.retry_job)


def _change(
    job_id: int, as_json: bool, change: Callable[[MarketplaceJobService, int], MarketplaceJob]
) -> None:
    with command_session() as session:
        change(MarketplaceJobService(session), job_id)
        session.commit()
        print_job(_view(session, job_id, Plugins()), as_json)


def _finish_waiting(session: Session, job_id: int, timeout: float | None, as_json: bool) -> None:
    plugins = Plugins()
    print_aside(_view(session, job_id, plugins)["waiting_reason"])
    # Without this the transaction would stay open for as long as the job takes.
    session.rollback()
    with waiting_bar() as look:
        job = MarketplaceJobService(session).wait(job_id, timeout, look)
    print_job(_view(session, job_id, plugins), as_json)
    if job.status != JobStatus.COMPLETED:
        raise typer.Exit(NOT_COMPLETED)


def _view(session: Session, job_id: int, plugins: Plugins) -> dict[str, Any]:
    row = job_with_code(session, job_id)
    if row is None:
        raise JobNotFound(job_id)
    return job_views(session, [row], plugins.lanes_of)[0]
