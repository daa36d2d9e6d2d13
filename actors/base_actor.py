"""The base of all actors: a name, and reports of their life to the supervisor."""

from types import TracebackType
from typing import Any

import pykka
import structlog

from actors.directory import Directory
from actors.pulse import Pulse
from runtime import messages
from runtime.process.clock import Clock


class BaseActor(pykka.ThreadingActor):
    """An actor with a name.

    Subclasses define :meth:`receive`, and may define :meth:`started` and :meth:`stopped`.
    """

    # The interpreter joins other threads at its exit: an actor that hangs would keep the service
    # from stopping.
    use_daemon_thread = True

    def __init__(self, name: str, incarnation: int, directory: Directory, clock: Clock) -> None:
        super().__init__()
        self.name = name
        self.incarnation = incarnation
        self.directory = directory
        self.clock = clock
        # The name is registered before the loop starts, so that no message to it in between is
        # lost: the mailbox exists already.
        self.pulse = Pulse()
        directory.register(name, self.actor_ref, incarnation, self.pulse)
        self.log: Any = structlog.get_logger(type(self).__module__).bind(actor=name)

    def receive(self, message: Any) -> Any:
        """Handle one message; the returned value answers an ``ask``."""
        self.log.warning("unexpected message", message=type(message).__name__)

    def started(self) -> None:
        """Prepare the actor; it runs in the actor's thread before the first message."""

    def stopped(self) -> None:
        """Clean up; it runs in the actor's thread after the last message, however that ended."""

    def tell(self, name: str, message: Any) -> None:
        """Send a hint to another actor by name; an actor that was replaced sends nothing more."""
        # A thread that hangs cannot be ended. When it goes on after it was replaced, its word
        # would contradict the actor that has its name now.
        if not self.directory.is_superseded(self.name, self.incarnation):
            self.directory.tell(name, message)

    def on_start(self) -> None:
        """Report the start; a failure in it is reported like any other."""
        try:
            self.started()
        except Exception as error:
            self._report_failure(error)
            raise
        self.tell(messages.SUPERVISOR, messages.ActorStarted(self.name, self.incarnation))

    def on_receive(self, message: Any) -> Any:
        """Hand the message to :meth:`receive`; an actor that was replaced stops instead."""
        if self.directory.is_superseded(self.name, self.incarnation):
            self.stop()
            return None
        # The pulse is how the supervisor sees that an actor hangs in one message.
        self.pulse.message_number += 1
        self.pulse.busy = True
        try:
            return self.receive(message)
        finally:
            self.pulse.busy = False

    def on_stop(self) -> None:
        """Report the stop."""
        self.stopped()
        self.tell(messages.SUPERVISOR, messages.ActorStopped(self.name, self.incarnation))

    def on_failure(
        self,
        exception_type: type[BaseException] | None,  # noqa: ARG002 - pykka's signature
        exception_value: BaseException | None,
        traceback: TracebackType | None,  # noqa: ARG002
    ) -> None:
        """Report the failure."""
        self._report_failure(exception_value)
        self.stopped()

    def _report_failure(self, error: BaseException | None) -> None:
        self.log.error("actor failed", error=repr(error), exc_info=error)
        self.tell(
            messages.SUPERVISOR,
            messages.ActorFailed(self.name, self.incarnation, repr(error)),
        )
