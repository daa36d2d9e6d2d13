"""Threads for the functions and the database transactions of handlers, which may block."""

import threading
from collections.abc import Callable

from actors.directory import Directory
from actors.threads import DaemonThreads
from runtime.errors import DatabaseUnavailable
from runtime.messages import CallEnded, CallTicket
from runtime.process.crash_marker import CrashMarker
from runtime.products.media import Media
from runtime.runs.calls import BlockingCall, Failure, MediaCall, Outcome, Success, TransactionCall
from runtime.runs.job import Job
from runtime.storage.queue.transactions import run_transaction
from runtime.storage.server.engine import Database

# Each of them holds one of the database's connections while it works.
TRANSACTION_THREADS = 4


class WorkerPool:
    """Runs functions in threads and tells their outcomes to whoever asked.

    Each marketplace has a pool of its own, and its transactions have other threads than its
    functions, so that functions which block for long hold up nothing but each other.
    """

    def __init__(
        self,
        database: Database,
        directory: Directory,
        threads: int,
        marker: CrashMarker,
        media: Media,
    ) -> None:
        self._database = database
        self._marker = marker
        self._media = media
        self._directory = directory
        self._blocking = DaemonThreads("worker", threads)
        self._transactions = DaemonThreads("transaction", TRANSACTION_THREADS)
        self._stopping = threading.Event()

    def run_blocking(self, ticket: CallTicket, call: BlockingCall) -> None:
        """Run the function."""
        # Handlers name functions on images; the directory and the keys stay on this side.
        given = (self._media,) if isinstance(call, MediaCall) else ()
        self._submit(self._blocking, ticket, lambda: call.function(*given, *call.arguments))

    def run_transaction(
        self, ticket: CallTicket, job: Job, call: TransactionCall, within: str | None
    ) -> None:
        """Run the function in a transaction that is committed only while the run owns the job."""
        self._submit(
            self._transactions,
            ticket,
            lambda: run_transaction(self._database, job, call, self._stopping, within),
        )

    def stop(self) -> None:
        """Take no new work; running work is not interrupted."""
        self._stopping.set()
        self._blocking.stop()
        self._transactions.stop()

    def _submit(
        self, threads: DaemonThreads, ticket: CallTicket, function: Callable[[], object]
    ) -> None:
        def work() -> None:
            outcome: Outcome
            try:
                with self._marker.running(ticket.job_id):
                    outcome = Success(function())
            except BaseException as error:  # noqa: BLE001 - it is raised again in the handler
                outcome = Failure(error)
            self._directory.tell(ticket.reply_to, CallEnded(ticket, outcome))

        # Without an outcome the run would wait for ever, and could not be handed back in order.
        if not threads.submit(work):
            stopped = Failure(DatabaseUnavailable("the service is stopping"))
            self._directory.tell(ticket.reply_to, CallEnded(ticket, stopped))
