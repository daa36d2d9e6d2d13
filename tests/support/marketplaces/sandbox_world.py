"""Simulated marketplaces and a real database for handlers that are crashed on the way.

See :mod:`tests.support.handlers.replay_world`. Nothing comes over a wire: a request is handed to
the sandbox as it would arrive there, and what the sandbox plans to go wrong with it is told as the
transport would.
"""

import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from plugins.ebay.errors import read_refusal as read_ebay
from plugins.ebay.sandbox import EbaySandbox
from plugins.etsy.errors import read_refusal as read_etsy
from plugins.etsy.sandbox import EtsySandbox
from runtime.answers.error_answers import ReadRefusal
from runtime.errors import CallRejected, OutcomeUnknown
from runtime.handlers.job_handler import BaseJobHandler
from runtime.runs.calls import (
    Failure,
    HttpCall,
    ImageFile,
    MediaCall,
    Outcome,
    ProgressCall,
    Success,
    TransactionCall,
)
from runtime.runs.execution import Failed, Finished
from runtime.runs.job import Job
from runtime.runs.journal import RecordedStep, StepStatus
from runtime.sandbox import Fault, Request, Sandbox
from runtime.sandbox.delivery import Delivery
from runtime.storage.server.engine import Database
from tests.support.handlers.no_media import NO_MEDIA
from tests.support.handlers.replay_world import Pending, ReplayRun, World, clear_failures
from tests.support.servers.images import JPEG

HOST = "http://marketplace.example"
SILENT = {Fault.UNANSWERED, Fault.LATE, Fault.REFUSED}
ATTEMPTS = 50


class UnservedEbay(EbaySandbox):
    """Only the links between pages name an address."""

    url = HOST


class UnservedEtsy(EtsySandbox):
    """Nor does this one listen."""

    url = HOST


class SandboxWorld(World):
    """A simulated marketplace whose clock is the world's, which begins now."""

    sandbox: Any
    headers: Mapping[str, str]
    read_refusal: ReadRefusal

    def __init__(self, marketplace: str) -> None:
        super().__init__()
        start = datetime.now(UTC)

        def now() -> datetime:
            return start + timedelta(seconds=self.now)

        if marketplace == "ebay":
            self.sandbox, self.read_refusal = UnservedEbay(now=now), read_ebay
            self.headers = {}
        else:
            self.sandbox, self.read_refusal = UnservedEtsy(now=now), read_etsy
            self.headers = {"x-api-key": "etsy-keystring:etsy-secret"}
        token = self.sandbox.connect()["access_token"]
        self.headers = {**self.headers, "Authorization": f"Bearer {token}"}

    def send(self, call: HttpCall) -> Outcome:
        """The marketplace gets a request."""
        sandbox: Sandbox = self.sandbox
        delivery = sandbox.serve(request_of(call, self.headers))
        fault = delivery.plan.fault if delivery.plan else None
        where = f"{call.method} {call.path}"
        if fault in SILENT:
            return Failure(OutcomeUnknown(f"{where}: no answer", writes=call.writes))
        return self._outcome(where, delivery, call, failed=fault is Fault.DONE_BUT_FAILED)

    def _outcome(self, where: str, delivery: Delivery, call: HttpCall, *, failed: bool) -> Outcome:
        answer = delivery.failure if failed and delivery.failure else delivery.answer
        if answer.status < 300:
            return Success(json.loads(json.dumps(answer.body)))
        refusal = self.read_refusal(answer.status, answer.body)
        assert refusal is not None, answer
        kind = OutcomeUnknown if answer.status >= 500 and call.writes else CallRejected
        return Failure(
            kind(
                f"{where}: {refusal.words}", status=answer.status, error_code=refusal.code,
                writes=call.writes, details=dict(refusal.details),
            )
        )  # fmt: skip

    def wait_until(self, when: int) -> bool:
        """Let time pass, and what is under way arrive."""
        waited = super().wait_until(when)
        self.sandbox.settle()
        return waited


def request_of(call: HttpCall, headers: Mapping[str, str]) -> Request:
    """The request as it would arrive."""
    files = {
        name: ("image.jpg", JPEG, "image/jpeg") if isinstance(file, ImageFile) else file
        for name, file in (call.files or {}).items()
    }
    prepared = requests.Request(
        call.method,
        call.path if call.path.startswith("http") else f"{HOST}{call.path}",
        params=call.params,
        json=call.json,
        data=call.form,
        files=files,
        headers={**(call.headers or {}), **headers},
    ).prepare()
    path, _, query = prepared.path_url.partition("?")
    body = prepared.body or b""
    told = {name.lower(): value for name, value in prepared.headers.items()}
    content = body if isinstance(body, bytes) else body.encode()
    return Request(call.method, path, query, told, content)


class StoringRun(ReplayRun):
    """A run with a real database, and without a media directory."""

    def __init__(self, database: Database, *arguments: Any) -> None:
        self.database = database
        super().__init__(*arguments)

    def _carry_out(self, pending: Pending) -> bool:
        call = pending.perform.call
        if isinstance(call, MediaCall):
            pending.outcome = Success(call.function(NO_MEDIA, *call.arguments))
            return True
        if isinstance(call, ProgressCall):
            pending.outcome = Success(None)
            return True
        return super()._carry_out(pending)

    def _transact(self, call: TransactionCall, within: str | None) -> Outcome:
        try:
            with self.database.session.begin() as session:
                value = json.loads(json.dumps(call.function(session, *call.arguments)))
        except Exception as error:  # noqa: BLE001 - the handler gets it
            return Failure(error)
        # Committed together, as the runtime does it.
        self.world.effects[f"/{call.name}"] += 1
        self.world.journal[call.name] = RecordedStep(
            call.name, StepStatus.SUCCEEDED, value, within=within
        )
        return Success(value)


def run_through(
    world: SandboxWorld,
    database: Database,
    handler: type[BaseJobHandler],
    job: Job,
    crashes: list[int],
    order: Callable[[], random.Random] = lambda: random.Random(0),
) -> tuple[Any, int]:
    """Run until it finishes, dying after so many stages of each run.

    Returns:
        What the handler returned, and how many stages the last run took.
    """
    end: Any = None
    plenty = 10_000
    for _ in range(ATTEMPTS):
        stages = crashes.pop(0) if crashes else plenty
        run = StoringRun(
            database, world, lambda: handler(job).execute(job), order(), stages
        )  # fmt: skip
        end = run.to_the_end()
        if isinstance(end, Finished):
            return end.result, stages - (run.stages_left or 0)
        if end is not None:
            assert isinstance(end, Failed), end
            clear_failures(world, end)
    raise AssertionError(f"it never ends: {end}")
