"""doctor: is everything as the service needs it?"""

from dataclasses import asdict

import typer

from runtime.cli.checkup import Finding, examine
from runtime.cli.context import command_settings
from runtime.cli.options import AsJson
from runtime.cli.output import print_error, print_json, print_line

_SIGNS = {"ok": "ok     ", "failed": "FAILED ", "skipped": "skipped"}


def doctor(as_json: AsJson = False) -> None:
    """Check that all is as the service needs it.

    The settings, the data and media directories, the handlers, the database and the bridge's port.
    """
    findings = []
    for finding in examine(command_settings()):
        findings.append(finding)
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
