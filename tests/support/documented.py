"""The commands that a page of the documentation gives, by the name of their block."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.support.checkout import CHECKOUT
from tests.support.processes.service_process import Installation

_BLOCK = re.compile(r"<!-- command: (\w+) -->\n```bash\n(.*?)```", re.DOTALL)


def documented(page: str) -> dict[str, str]:
    """The blocks of ``docs/<page>``, in its order."""
    return dict(_BLOCK.findall((CHECKOUT / "docs" / page).read_text()))


def execute(
    installation: Installation, script: str, directory: Path
) -> subprocess.CompletedProcess[str]:
    """A block, line by line as a reader types it; ends at its first command that fails."""
    stdout = stderr = ""
    code = 0
    for line in script.splitlines():
        words, _, file = line.partition(" > ")
        if words.startswith("run.py "):
            done = installation.run(*shlex.split(words)[1:], check=False)
            if file:
                (directory / file).write_text(done.stdout)
        else:
            done = _in_shell(installation, line, directory)
        code, stdout, stderr = done.returncode, stdout + done.stdout, stderr + done.stderr
        if code:
            break
    return subprocess.CompletedProcess(script, code, stdout, stderr)


def _in_shell(
    installation: Installation, line: str, directory: Path
) -> subprocess.CompletedProcess[str]:
    alembic = f'alembic() {{ (cd {CHECKOUT} && {sys.executable} -m alembic "$@"); }}\n'
    return subprocess.run(
        ["bash", "-ec", alembic + line],
        env=installation.environment, cwd=directory, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
