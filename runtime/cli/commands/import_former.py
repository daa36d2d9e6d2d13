"""The command import-former takes over the jobs of the former system."""

from typing import Annotated, Any

import typer

from runtime.cli.context import command_settings, opened_database
from runtime.cli.options import AsJson
from runtime.cli.output import print_error, print_json, print_line
from runtime.cli.progress import row_bar
from runtime.errors import InputError
from runtime.former_system.report import Report, RowProblem
from runtime.storage.former_system import imported_rows as storage
from runtime.storage.former_system.tables import JOBS
from runtime.storage.selling.shop_rows import drop_unused
from runtime.takeover.former_schema import ImportTerms
from runtime.takeover.importer import FormerImport
from runtime.takeover.shops import PLACEHOLDER, FormerShops, is_placeholder, parsed_shops

SOME_SKIPPED = 3
"""The exit code of an import that skipped rows."""
MOST_TOLD = 20


def import_former(
    schemas: Annotated[str, typer.Option(help="The names of the schemas, for example 'user_*'.")],
    shop_of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="USER/MARKETPLACE=EXTERNAL_ID",
            help="The seller's account on the marketplace; can be given several times. "
            "USER/MARKETPLACE/FORMER_SHOP_ID=EXTERNAL_ID names the account of a former shop.",
        ),
    ] = None,
    no_expiry: Annotated[
        bool,
        typer.Option(
            "--no-expiry", help="Let pending jobs wait however long, also those whose time is over."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")
    ] = False,
    undo: Annotated[
        bool,
        typer.Option(
            "--undo",
            help="Remove the jobs and batches that were taken over and not worked on since.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take jobs and batches of the former system over; twice is the same as once.

    The former tables stay as they are. Rows that cannot be taken over are named, and all others are
    taken over. Exit code 0: all rows were; 3: some were left out, or changed there since.
    """
    shops = FormerShops(parsed_shops(shop_of or ()), dry_run)
    settings = command_settings()
    with opened_database(settings) as database, row_bar("taking over") as (begin, advance):
        terms = ImportTerms(
            shops=shops, retention=settings.retention, expires=not no_expiry, progress=advance
        )
        whole = FormerImport(database, terms)
        if undo:
            if dry_run:
                raise InputError("--undo and --dry-run exclude each other: leave one out")
            # An import that runs beside it would add rows while others are removed.
            with storage.import_lock(database):
                names = [name for name, *_ in whole.tables(schemas)]
                with database.transaction("former-undo") as session:
                    jobs, batches, stay = storage.take_back(session, names)
                    drop_unused(session, PLACEHOLDER)
        else:
            report = whole.run(schemas, begin)
    if undo:
        _tell_undone(jobs, batches, stay, as_json)
        return
    if as_json:
        print_json(_view(report, shops, dry_run=dry_run))
    else:
        _tell(report, shops, dry_run=dry_run)
    # A script notices by the code that a person has to look.
    if report.skipped or report.changed:
        raise typer.Exit(SOME_SKIPPED)


def _view(report: Report, shops: FormerShops, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "schemas": report.schemas,
        "jobs": dict(report.jobs),
        "batches": report.batches,
        "known": report.known,
        "linked": report.linked,
        "old": report.old,
        "shops": [
            {"user_id": user, "marketplace": marketplace, "external_id": external}
            for user, marketplace, external in shops.made
        ],
        "refused": [_problem(one) for one in report.skipped],
        "changed": [_problem(one) for one in report.changed],
        "notes": report.notes,
    }


def _problem(one: RowProblem) -> dict[str, Any]:
    return {
        "schema": one.schema,
        "table": one.table,
        "id": one.former_id,
        "reason": one.reason,
    }


def _tell(report: Report, shops: FormerShops, *, dry_run: bool) -> None:
    done = "would be taken over" if dry_run else "taken over"
    jobs = report.jobs.total()
    statuses = ", ".join(f"{number} {status}" for status, number in sorted(report.jobs.items()))
    print_line(
        f"{len(report.schemas)} schemas: {jobs} jobs {done}{f' ({statuses})' if jobs else ''}, "
        f"{report.batches} batches; {report.known} rows were here already, "
        f"{len(report.skipped)} were left out"
        f"{f', {len(report.changed)} were changed there since' if report.changed else ''}"
    )
    if report.linked:
        print_line(f"{report.linked} jobs have their product now")
    if report.old:
        print_line(
            f"{report.old} of them ended so long ago that the service removes them when it tidies "
            "up: set RUNTIME_RETENTION_DAYS to more to keep them (the former tables do)"
        )
    for user, marketplace, external in shops.made:
        print_line(f"shop of user {user} on {marketplace}: {_shop(external, user, marketplace)}")
    _tell_some(report.notes)
    for wrong in (report.changed, report.skipped):
        for one in wrong[:MOST_TOLD]:
            print_error(str(one))
        if len(wrong) > MOST_TOLD:
            print_error(f"and {len(wrong) - MOST_TOLD} more; --json lists all")


def _shop(external: str, user: int, marketplace: str) -> str:
    if not is_placeholder(external):
        return external
    return f"not known, so it stays closed until --shop-of {user}/{marketplace}=EXTERNAL_ID"


def _tell_some(notes: list[str]) -> None:
    for note in notes[:MOST_TOLD]:
        print_line(note)
    if len(notes) > MOST_TOLD:
        print_line(f"and {len(notes) - MOST_TOLD} more; --json lists all")


def _tell_undone(jobs: int, batches: int, stay: list[storage.Stayed], as_json: bool) -> None:
    if as_json:
        stayed = [one._asdict() for one in stay]
        print_json({"jobs": jobs, "batches": batches, "stay": len(stay), "stayed": stayed})
        return
    print_line(
        f"{jobs} jobs and {batches} batches removed; {len(stay)} jobs have run since, and stay"
    )
    _tell_some(
        [
            f"{one.schema}.{JOBS} {one.id}: job {one.job} here, {one.status or 'removed'}"
            for one in stay
        ]
    )
