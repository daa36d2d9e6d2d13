"""The simulated Etsy for handlers that are crashed on the way.

See :mod:`tests.support.handlers.replay_world`.
"""

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from plugins.etsy.errors import read_refusal
from plugins.etsy.sandbox import EtsySandbox
from runtime.errors import CallRejected, CallTimeout, NotSent, OutcomeUnknown
from runtime.runs.calls import Failure, HttpCall, ImageFile, Outcome, Success, TransactionCall
from runtime.runs.journal import RecordedStep, StepStatus
from runtime.sandbox import Answer, Request
from tests.support.handlers.replay_world import ReplayRun, World, _settling
from tests.support.servers.images import JPEG

START = datetime(2026, 1, 9, tzinfo=UTC)
ANSWERS = ["ok", "happened", "unreadable", "missing", "late", "not sent"]


class Etsy:
    """Etsy, its time, and what becomes of the next writes; well, once these are used up."""

    def __init__(self, answers: list[str]) -> None:
        self.now = 0
        self.sandbox = EtsySandbox(now=lambda: START + timedelta(seconds=self.now))
        self.answers = deque(answers)
        self._token = self.sandbox.connect()["access_token"]

    def serve(self, call: HttpCall) -> Answer:
        """Carry out a request as it would arrive."""
        files = {
            name: ("image.jpg", JPEG, "image/jpeg") if isinstance(file, ImageFile) else file
            for name, file in (call.files or {}).items()
        }
        prepared = requests.Request(
            call.method,
            f"http://etsy{call.path}",
            params=call.params,
            json=call.json,
            data=call.form,
            files=files,
            headers={
                "x-api-key": "etsy-keystring:etsy-secret",
                "Authorization": f"Bearer {self._token}",
            },
        ).prepare()
        path, _, query = prepared.path_url.partition("?")
        body = prepared.body or b""
        headers = {name.lower(): value for name, value in prepared.headers.items()}
        content = body if isinstance(body, bytes) else body.encode()
        return self.sandbox.serve(Request(call.method, path, query, headers, content)).answer


@dataclass
class EtsyWorld(World):
    """The world that outlives a crash of one job; several may share one Etsy."""

    etsy: Etsy = field(default_factory=lambda: Etsy([]))
    under_way: list[tuple[int, HttpCall]] = field(default_factory=list)
    stored: dict[str, Any] = field(default_factory=dict)

    def send(self, call: HttpCall) -> Outcome:
        """Etsy gets a request."""
        answer = self.etsy.answers.popleft() if call.writes and self.etsy.answers else "ok"
        match answer:
            case "not sent":
                return Failure(NotSent("no route", writes=True))
            case "missing":
                return Failure(CallTimeout("no answer", writes=True))
            case "late":
                self.under_way.append((self.now + _settling(call), call))
                return Failure(CallTimeout("no answer yet", writes=True))
        given = self.etsy.serve(call)
        if answer == "happened":
            return Failure(OutcomeUnknown("it answered 500", status=500, writes=True))
        if answer == "unreadable":
            return Success({"odd": True})
        if given.status < 300:
            return Success(json.loads(json.dumps(given.body)))
        refusal = read_refusal(given.status, given.body)
        assert refusal is not None
        return Failure(
            CallRejected(
                refusal.words, status=given.status, error_code=refusal.code, writes=call.writes
            )
        )

    def wait_until(self, when: int) -> bool:
        """Let time pass, and what is under way arrive."""
        waited = super().wait_until(when)
        self.etsy.now = max(self.etsy.now, self.now)
        for due, call in [one for one in self.under_way if one[0] <= self.now]:
            self.under_way.remove((due, call))
            self.etsy.serve(call)
        return waited

    def ask_person(self, step: str) -> None:
        """Etsy shows all that can be asked."""
        raise AssertionError(f"nobody has to be asked about {step}")


class EtsyRun(ReplayRun):
    """A run whose transactions store listings."""

    world: EtsyWorld

    def _transact(self, call: TransactionCall, within: str | None) -> Outcome:
        self.world.stored[call.name] = call.arguments
        self.world.journal[call.name] = RecordedStep(
            call.name, StepStatus.SUCCEEDED, 1, within=within
        )
        return Success(1)
