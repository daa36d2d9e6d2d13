"""The log of a process: one line for one event, console or JSON, and no secret in any."""

import json
import os
import subprocess
import sys

import pytest

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl"
PROGRAM = f"""
import logging
import structlog
from runtime.process.config import Settings
from runtime.process.logs import configure_logging

configure_logging(Settings())
log = structlog.get_logger("actors.http").bind(job=1, fence=2)
try:
    raise RuntimeError("GET https://u:hunter2@host/x?access_token=hunter2")
except RuntimeError as error:
    log.exception("call failed", error=error, headers={{"Authorization": "hunter2"}})
    logging.getLogger("some.library").warning("sent %s", "Bearer hunter2", exc_info=True)
log.info("token {JWT}")
log.debug("not shown")
logging.getLogger("urllib3").info("noise")
"""


EVIL = "http://evil\x1b]0;x\x07\x1b[2J\x9b1m\x7f\r\u202e\n2026-01-09 [info] forged"
HOSTILE = f"""
import logging
import structlog
from runtime.process.config import Settings
from runtime.process.logs import configure_logging

configure_logging(Settings())
evil = {EVIL!r}
log = structlog.get_logger("runtime.bridge").bind(bound=evil)
try:
    raise RuntimeError(evil)
except RuntimeError as error:
    log.exception(evil, origin=evil, error=error, headers={{evil: [evil]}}, spaced=" " + evil)
    logging.getLogger("some.library").warning("sent %s", evil, stack_info=True)
"""


def lines(log_format: str, level: str = "info", program: str = PROGRAM) -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "RUNTIME_LOG_FORMAT": log_format, "RUNTIME_LOG_LEVEL": level},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert ended.stdout == "", "standard output belongs to the command line"
    assert "hunter2" not in ended.stderr
    assert JWT not in ended.stderr
    return ended.stderr.removesuffix("\n").split("\n")


@pytest.mark.parametrize("log_format", ["json", "auto"])
def test_as_json_each_event_is_one_object_those_of_libraries_too(log_format: str) -> None:
    failed, library, token = (json.loads(line) for line in lines(log_format))
    assert failed["event"] == "call failed"
    assert (failed["job"], failed["fence"], failed["level"]) == (1, 2, "error")
    assert failed["logger"] == "actors.http"
    assert failed["timestamp"].endswith("Z")
    assert failed["exception"].startswith("Traceback")
    assert library["event"] == "sent Bearer [redacted]"
    assert library["exception"].startswith("Traceback")
    assert token["event"] == "token [redacted]"


def test_on_a_console_lines_are_for_people() -> None:
    shown = lines("console")
    assert "call failed" in shown[0]
    assert "job=1" in shown[0]
    assert "Traceback (most recent call last):" in shown
    assert "\x1b" not in "".join(shown), "no colours where nobody sees them"


def test_the_level_is_a_setting() -> None:
    assert any("not shown" in line for line in lines("json", "debug"))
    assert len(lines("json", "error")) == 1


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_what_a_stranger_wrote_reaches_no_terminal_as_a_command(log_format: str) -> None:
    shown = lines(log_format, program=HOSTILE)
    acted_on = {one for line in shown for one in line if not one.isprintable()}
    assert acted_on <= {"\t"}
    assert len([line for line in shown if "evil" in line]) >= 2
    if log_format == "json":
        assert json.loads(shown[0])["origin"] == EVIL
    else:
        assert r"http://evil\x1b]0;x\x07\x1b[2J\x9b1m\x7f\r\u202e" in "".join(shown)


def test_no_field_of_a_line_pretends_to_be_another_line() -> None:
    shown = lines("console", program=HOSTILE)
    # Only the error's own text, below its traceback, has line breaks of its own.
    assert [line for line in shown if line.startswith("2026-01-09 [info] forged")] == [
        "2026-01-09 [info] forged"
    ]
