"""HttpActor: carries out HTTP calls in a pool of threads, each call once."""

from typing import Any

from actors.base_actor import BaseActor
from actors.threads import DaemonThreads
from runtime import messages
from runtime.errors import OutcomeUnknown
from runtime.runs.calls import Failure
from runtime.shops.authorized_transport import AuthorizedTransport


class HttpActor(BaseActor):
    """Hands requests to threads; their outcomes go straight to whoever asked."""

    def __init__(self, *base: Any, transport: AuthorizedTransport, threads: int) -> None:
        super().__init__(*base)
        self._transport = transport
        self._threads = DaemonThreads("http", threads)

    def receive(self, message: Any) -> None:
        """Carry out one request."""
        if isinstance(message, messages.HttpRequest):
            self._threads.submit(lambda: self._perform(message))
        else:
            super().receive(message)

    def stopped(self) -> None:
        """Send nothing more; answers that are under way still arrive."""
        self._threads.stop()

    def _perform(self, request: messages.HttpRequest) -> None:
        try:
            outcome = self._transport.perform(
                request.marketplace,
                request.shop_id,
                request.call,
                request.timeout,
                # Asked last, right before the bytes go out: the request may have waited for a
                # thread.
                lambda: request.not_after is None or self.clock.now() < request.not_after,
            )
        # The run waits until it gets some outcome, and the request may have left.
        except Exception as error:
            self.log.exception("HTTP call failed unexpectedly")
            writes = request.call.writes
            outcome = Failure(OutcomeUnknown(f"the call went wrong: {error}", writes=writes))
        self.tell(request.ticket.reply_to, messages.CallEnded(request.ticket, outcome))
