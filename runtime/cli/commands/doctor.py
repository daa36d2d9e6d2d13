"""The command doctor checks whether the installation is as the service needs it."""

from dataclasses import asdict
from typing import Annotated

import typer

from runtime.cli.checkup import Finding, examine
from runtime.cli.commands.structure_check import examine_structure
from runtime.cli.context import command_settings
from runtime.cli.options import AsJson
from runtime.cli.output import print_error, print_json, print_line

_SIGNS = {"ok": "ok     ", "failed": "FAILED ", "skipped": "skipped"}


def doctor(
    structure: Annotated[
        bool,
        typer.Option(
            "--structure",
            help="Check the structure instead: migrations, action types, a handler for each.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check that the installation has everything that the service needs.

    It looks at the settings, the data and media directories, the handlers, the database and the
    bridge's port.
    """
    findings = []
    look = examine_structure if structure else examine
    for finding in look(command_settings()):
        findings.append(finding)
        # Each line appears with its check, because one of them may take its time.
        if not as_json:
            print_line(f"{_SIGNS[finding.status]}  {finding.name}: {finding.detail}")
    failed = [finding for finding in findings if finding.status == "failed"]
    if as_json:
        print_json({"ok": not failed, "checks": [asdict(finding) for finding in findings]})
    if failed:
        print_error(_summary(failed))
        raise typer.Exit(1)


def _summary(failed: list[Finding]) -> str:
    if len(failed) == 1:
        return f"{failed[0].name}: {failed[0].detail}"
    return f"{len(failed)} checks failed: {', '.join(finding.name for finding in failed)}"
