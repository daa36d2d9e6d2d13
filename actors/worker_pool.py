"""Threads for what blocks: functions and database transactions of handlers."""

from collections.abc import Callable

from actors.directory import Directory
from actors.threads import DaemonThreads
from runtime.calls import BlockingCall, Failure, Outcome, Success, TransactionCall
from runtime.errors import DatabaseUnavailable, FenceLost
from runtime.job import Job
from runtime.json_values import checked_json
from runtime.messages import CallSettled, CallTicket
from runtime.storage.engine import Database, database_errors
from runtime.storage.settlements import lock_run, refusals


class WorkerPool:
    """Runs functions in threads and tells their outcomes to whoever asked."""

    def __init__(self, database: Database, directory: Directory, threads: int) -> None:
        self._database = database
        self._directory = directory
        self._threads = DaemonThreads("worker", threads)

    def run_blocking(self, ticket: CallTicket, call: BlockingCall) -> None:
        """Run the function."""
        self._submit(ticket, lambda: call.function(*call.arguments))

    def run_transaction(self, ticket: CallTicket, job: Job, call: TransactionCall) -> None:
        """Run the function in a transaction that is committed only while the run owns the job."""

        def transact() -> object:
            with database_errors(), refusals(), self._database.session() as session:
                with session.begin():
                    result = call.function(session, *call.arguments)
                    checked = checked_json(result, f"the result of transaction {call.name!r}")
                    session.flush()
                    if not lock_run(session, job.id, job.fence):
                        raise FenceLost(
                            f"job {job.id} is not owned under fence {job.fence} any more"
                        )
                return checked

        self._submit(ticket, transact)

    def stop(self) -> None:
        """Take nothing new; what runs is left to end by itself."""
        self._threads.stop()

    def _submit(self, ticket: CallTicket, function: Callable[[], object]) -> None:
        def work() -> None:
            outcome: Outcome
            try:
                outcome = Success(function())
            except BaseException as error:  # noqa: BLE001 - it is raised again in the handler
                outcome = Failure(error)
            self._directory.tell(ticket.reply_to, CallSettled(ticket, outcome))

        if not self._threads.submit(work):
            stopped = Failure(DatabaseUnavailable("the service is stopping"))
            self._directory.tell(ticket.reply_to, CallSettled(ticket, stopped))
