"""The commands schedules add, list, show, pause, resume, remove and run-now."""

from collections.abc import Callable
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from runtime.cli.context import Plugins, command_session
from runtime.cli.job_output import print_job
from runtime.cli.moments import local_time
from runtime.cli.options import EXAMPLE, AsJson, Marketplace
from runtime.cli.output import print_fields, print_json, print_line, print_table
from runtime.errors import ScheduleNotFound
from runtime.jobs.schedule_service import ScheduleService, schedule_view
from runtime.jobs.views import job_views
from runtime.shops.choice import check_marketplace
from runtime.storage.models import JobSchedule
from runtime.storage.queue.action_types import action_type_by_id, find_action_type
from runtime.storage.queue.job_rows import job_with_code
from runtime.values.json_values import parsed_object

Name = Annotated[str, typer.Argument(help="The schedule's name.")]

app = typer.Typer(help="Jobs that are created again and again.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The name of the schedule, which no other has.")],
    cron: Annotated[
        str,
        typer.Argument(help="Minute, hour, day of month, month, day of week: '0 6 * * MON-FRI'."),
    ],
    marketplace: Annotated[str, typer.Option(help=EXAMPLE)],
    action: Annotated[str, typer.Option(help="For example sync.")],
    user: Annotated[int | None, typer.Option(help="The id of the seller.")] = None,
    shop: Annotated[int | None, typer.Option(help="The id of the shop.")] = None,
    timezone: Annotated[str, typer.Option(help="For example Europe/Paris.")] = "UTC",
    input_: Annotated[str, typer.Option("--input", help="A JSON object for the handler.")] = "{}",
    priority: Annotated[int | None, typer.Option(help="1 (critical) to 4 (low).")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a schedule. User and shop may be left out where there is only one."""
    input_data = parsed_object(input_, "--input")
    with command_session() as session:
        # The plugin may have been installed since a service last started.
        if find_action_type(session, marketplace, action) is None:
            Plugins().introduce(session)
        schedule = ScheduleService(session).add_schedule(
            name,
            cron,
            marketplace,
            action,
            user_id=user,
            shop_id=shop,
            timezone=timezone,
            input_data=input_data,
            priority=priority,
        )
        session.commit()
        _print(schedule_view(schedule, action), as_json)


@app.command("list")
def list_(marketplace: Marketplace = None, as_json: AsJson = False) -> None:
    """List the schedules."""
    with command_session() as session:
        if marketplace is not None:
            check_marketplace(session, marketplace)
        rows = ScheduleService(session).list_schedules(marketplace)
        views = [schedule_view(schedule, code) for schedule, code in rows]
        if as_json:
            print_json(views)
            return
        print_table(
            ("name", "cron", "time zone", "marketplace", "action", "user", "next", "note"),
            [
                (
                    *(view[name] for name in ("name", "cron", "timezone", "marketplace", "action")),
                    view["user_id"],
                    _next(view),
                    view["error"],
                )
                for view in views
            ],
        )


@app.command()
def show(name: Name, as_json: AsJson = False) -> None:
    """Show a schedule."""
    with command_session() as session:
        schedule = ScheduleService(session).get_schedule(name)
        if schedule is None:
            raise ScheduleNotFound(name)
        _print(_view(session, schedule), as_json)


@app.command()
def pause(name: Name, as_json: AsJson = False) -> None:
    """Let a schedule fire no more until it is resumed."""
    _change(name, as_json, ScheduleService.pause_schedule)


@app.command()
def resume(name: Name, as_json: AsJson = False) -> None:
    """Let a schedule fire again; times that it missed are not made up for."""
    _change(name, as_json, ScheduleService.resume_schedule)


@app.command()
def remove(name: Name, as_json: AsJson = False) -> None:
    """Remove a schedule; the jobs that it created stay."""
    with command_session() as session:
        view = _view(session, ScheduleService(session).remove_schedule(name))
        session.commit()
        if as_json:
            print_json(view)
        else:
            print_line(f"schedule {name} is removed")


@app.command("run-now")
def run_now(name: Name, as_json: AsJson = False) -> None:
    """Create the job of a schedule now; the next time of the schedule does not change."""
    with command_session() as session:
        job = ScheduleService(session).run_now(name)
        row = job_with_code(session, job.id)
        assert row is not None  # made above, in this transaction
        (view,) = job_views(session, [row], Plugins().lanes_of)
        session.commit()
        print_job(view, as_json)


def _change(
    name: str, as_json: bool, change: Callable[[ScheduleService, str], JobSchedule]
) -> None:
    with command_session() as session:
        schedule = change(ScheduleService(session), name)
        session.commit()
        _print(_view(session, schedule), as_json)


def _view(session: Session, schedule: JobSchedule) -> dict[str, Any]:
    action_type = action_type_by_id(session, schedule.action_type_id)
    assert action_type is not None  # a foreign key
    return schedule_view(schedule, action_type.code)


def _print(view: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(view)
        return
    shown = {name: value for name, value in view.items() if value not in (None, {})}
    shown["next_run_at"] = _next(view)
    if view["last_run_at"] is not None:
        shown["last_run_at"] = local_time(view["last_run_at"])
    # "next run at" says it.
    del shown["paused"]
    print_fields((name.replace("_", " "), value) for name, value in shown.items())


def _next(view: dict[str, Any]) -> str | None:
    return "paused" if view["paused"] else local_time(view["next_run_at"])
