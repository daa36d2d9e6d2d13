"""A marketplace actor that is driven by hand: messages in, what it tells others out."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import make_url

from actors.directory import Directory
from actors.marketplace import MarketplaceActor
from actors.worker_pool import WorkerPool
from runtime import BaseJobHandler, Job, Marketplace, Shop, messages
from runtime.handlers.registry import Registry
from runtime.process.clock import ManualClock
from runtime.process.lease import Lease
from runtime.runs.calls import Failure, Success
from runtime.runs.settlement import Settlement
from runtime.storage.server.engine import Database
from tests.support.handlers.no_marker import NoMarker
from tests.support.handlers.no_media import NO_MEDIA

M = TypeVar("M")
SECOND = timedelta(seconds=1)
STEP_ENTRIES = (messages.RecordIntent, messages.RecordOutcome)
UNREACHABLE = Database(make_url("postgresql+psycopg2://nobody@127.0.0.1:1/none"))


class RecordingDirectory(Directory):
    """Notes what is told to whom."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, Any]] = []

    def tell(self, name: str, message: Any) -> None:
        """Note it."""
        self.told.append((name, message))


class MarketplaceBench:
    """The actor, and what it tells.

    Args:
        handlers: by action.
        marketplace: fields of its record.
    """

    def __init__(self, handlers: dict[str, type[BaseJobHandler]], **marketplace: Any) -> None:
        record = Marketplace("shop", **marketplace)
        registry = Registry(
            marketplaces={"shop": record},
            handlers={f"{action}_shop": handler for action, handler in handlers.items()},
        )
        self.directory = RecordingDirectory()
        self.clock = ManualClock(self._fall_due)
        self.lease = Lease(self.clock.now() + timedelta(hours=1))
        self.journal: dict[str, Any] = {}
        self.actor = MarketplaceActor(
            "marketplace:shop",
            1,
            self.directory,
            self.clock,
            marketplace=record,
            registry=registry,
            workers=WorkerPool(UNREACHABLE, self.directory, 1, NoMarker(), NO_MEDIA),
            lease=self.lease,
            marker=NoMarker(),
        )

        self.actor.receive(messages.ClosuresLoaded(()))

    def _fall_due(self, name: str, message: Any) -> None:
        if name == self.actor.name:
            self.receive(message)
        else:
            self.directory.tell(name, message)

    def job(self, number: int, action: str = "sync", shop: int = 2, **fields: Any) -> Job:
        """A claim of a job."""
        job = Job(
            id=number, fence=1, marketplace="shop", action=action, user_id=7,
            shop=Shop(shop, str(shop)), priority=3, retry_count=0, max_retries=3,
            rate_limit=timedelta(0), timeout=30 * SECOND, created_at=self.clock.now(),
        )  # fmt: skip
        return dataclasses.replace(job, **fields)

    def receive(self, *received: Any) -> None:
        """Let the actor handle messages, and what it tells itself."""
        for message in received:
            self.actor.receive(message)
        while own := self._take(lambda name, _: name == self.actor.name):
            for message in own:
                self.actor.receive(message)
        self._write_down()

    def _write_down(self) -> None:
        """Be the recorder of steps, one that writes at once."""
        while entries := self._take(lambda _, message: isinstance(message, STEP_ENTRIES)):
            for entry in entries:
                if isinstance(entry, messages.RecordIntent):
                    self.journal[entry.name] = None
                    self.actor.receive(messages.IntentRecorded(entry.ticket, True))
                    continue
                self.journal[entry.step.name] = entry.step
                kept = json.loads(entry.step.result or "null")
                self.actor.receive(messages.CallEnded(entry.ticket, Success(kept)))

    def claim(self, *jobs: Job, waiting: Mapping[int, timedelta | None] | None = None) -> None:
        """Answer the claim that is under way.

        Args:
            waiting: when the next job of each lane falls due, which is of normal priority.
        """
        pending = self.actor._claims.pending
        sequence = pending.sequence if pending is not None else 0
        heads = tuple(
            messages.LaneHeads(lane, () if due is None else (messages.Head(3, due),))
            for lane, due in (waiting or {}).items()
        )
        self.receive(messages.JobsClaimed(sequence, jobs, heads))

    def told(self, kind: type[M]) -> list[M]:
        """The messages of a kind that it told since the last look."""
        return self._take(lambda _, message: isinstance(message, kind))

    def _take(self, wanted: Any) -> list[Any]:
        taken = [message for name, message in self.directory.told if wanted(name, message)]
        self.directory.told = [one for one in self.directory.told if not wanted(*one)]
        return taken

    def answer(self, request: Any, value: Any = None) -> None:
        """Answer a request with a value."""
        self.receive(messages.CallEnded(request.ticket, Success(value)))

    def fail(self, request: Any, error: BaseException) -> None:
        """Answer a request with a failure."""
        self.receive(messages.CallEnded(request.ticket, Failure(error)))

    def settlement(self) -> Settlement:
        """The one settlement that it wants recorded since the last look."""
        (record,) = self.told(messages.RecordSettlement)
        assert record.reply_to == self.actor.name
        return record.settlement

    def recorded(self, settlement: Settlement, written: bool = True) -> None:
        """Acknowledge a settlement."""
        self.receive(messages.SettlementRecorded(settlement.job_id, settlement.fence, written))

    def room(self) -> dict[int, int]:
        """The room of the lanes that it asks jobs for, after work was found for all."""
        self.told(messages.ClaimRequested)
        pending = self.actor._claims.pending
        if pending is not None:
            self.receive(messages.ClaimFailed(pending.sequence))
        requests = self.told(messages.ClaimRequested)
        return {lane.lane: lane.room for one in requests for lane in one.lanes}
