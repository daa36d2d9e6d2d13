"""The commands that a page of the documentation gives, by the name of their block."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.acceptance.service_process import ROOT, Installation

_BLOCK = re.compile(r"<!-- command: (\w+) -->\n```bash\n(.*?)```", re.DOTALL)


def documented(page: str) -> dict[str, str]:
    """The blocks of ``docs/<page>``, in its order."""
    return dict(_BLOCK.findall((ROOT / "docs" / page).read_text()))


def execute(
    installation: Installation, script: str, directory: Path
) -> subprocess.CompletedProcess[str]:
    """A block, in a shell as a reader has it; ends at its first command that fails."""
    run = shlex.join(installation.command)
    programs = f'run.py() {{ {run} "$@"; }}\nalembic() {{ (cd {ROOT} && {sys.executable} -m alembic "$@"); }}\n'  # noqa: E501
    return subprocess.run(
        ["bash", "-ec", programs + script],
        env=installation.environment, cwd=directory, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
