"""The class that the handlers of plugins inherit."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from runtime.errors import InvalidCall, JobFailed
from runtime.errors.safe_text import storable
from runtime.http import download
from runtime.products.media import Media
from runtime.runs import calls
from runtime.runs.job import Job, Shop

LARGEST_NUMBER = 2**53
LONGEST_MESSAGE = 500


class BaseJobHandler:
    """One run of one job.

    Subclasses define ``async def execute(self, job)`` and return a JSON object. They do no
    I/O themselves: they await the calls that the methods below make.

    Attributes:
        job: the claimed job.
        log: a logger that names the job in every line.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.log: Any = structlog.get_logger(type(self).__module__).bind(**job.log_context)

    async def execute(self, job: Job) -> Any:  # noqa: ARG002 - the interface
        """Do the job.

        Returns:
            A JSON value; it becomes the job's ``result``.

        Raises:
            JobFailed: the job cannot succeed; it fails at once.
            Snooze: run again later; uses up no attempt.
            Exception: anything else is retried while attempts are left.
        """
        raise InvalidCall(f"{type(self).__name__} does not define `async def execute(self, job)`")

    @property
    def job_id(self) -> int:
        """The job's id."""
        return self.job.id

    @property
    def user_id(self) -> int:
        """The seller."""
        return self.job.user_id

    @property
    def shop(self) -> Shop:
        """The seller's account that the job is for."""
        return self.job.shop

    @property
    def product(self) -> dict[str, Any] | None:
        """The product as it was when the job first started; None if the job has none.

        It is a JSON object with every field that :func:`runtime.checked_product` gives.

        Raises:
            JobFailed: the job's product was deleted before the job first started.
        """
        if self.job.product is None and self.job.product_id is not None:
            raise JobFailed(
                f"product {self.job.product_id} was deleted before the job started: import it "
                "again and create a new job"
            )
        return self.job.product

    @property
    def shop_id(self) -> int:
        """The id of :attr:`shop`."""
        return self.job.shop.id

    def call_websocket(
        self,
        action: str,
        payload: dict[str, Any] | None = None,
        timeout: timedelta | float | None = None,
        *,
        reads: bool = False,
        settles_within: timedelta | float | None = None,
    ) -> calls.WebSocketCall:
        """Return a call that sends a command to the seller's browser; its result is ``data``.

        Args:
            timeout: seconds or timedelta, from when the command leaves; default: the
                action type's ``timeout_seconds``.
            reads: the command changes nothing, so it may be repeated freely.
            settles_within: how long after it left a write can still take effect; default 2 min.

        Raises:
            CallRejected: the browser answered ``success: false``.
            SellerNotConnected, ConnectionLost, CallTimeout
        """
        return calls.WebSocketCall(
            action,
            payload or {},
            calls.as_duration(timeout, "timeout"),
            reads,
            calls.as_duration(settles_within, "settles_within") or calls.BROWSER_SETTLES_WITHIN,
        )

    def call_http(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json: Any = None,
        form: dict[str, Any] | None = None,
        files: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        timeout: timedelta | float | None = None,
        settles_within: timedelta | float | None = None,
    ) -> calls.HttpCall:
        """Return a call that sends a request to the marketplace's API; its result is the JSON body.

        Args:
            files: the files that go with ``form`` as multipart, by field. Give an ``ImageFile``,
                which is read when the request is about to leave, rather than bytes, which stay in
                memory while the request waits.
            settles_within: how long after it left a write can still take effect; default 30 s.

        Raises:
            CallRejected: a status of 400 or more that says the request is wrong.
            ImageRefused: one of the files cannot be used; nothing was sent.
            NotSent, ConnectionLost, CallTimeout, OutcomeUnknown
        """
        return calls.HttpCall(
            method.upper(), path, params, json, form, files, headers,
            calls.as_duration(timeout, "timeout"),
            calls.as_duration(settles_within, "settles_within") or calls.HTTP_SETTLES_WITHIN,
        )  # fmt: skip

    def sleep(self, duration: timedelta | float) -> calls.SleepCall:
        """Wait up to 60 s. Longer waits are ``raise Snooze(until)``, which is durable."""
        checked = calls.as_duration(duration, "sleep")
        if checked is None or checked > calls.MAX_SLEEP:
            raise InvalidCall(
                f"sleep takes at most {calls.MAX_SLEEP.seconds} s, not {duration!r}: "
                "raise Snooze(until) to run again later"
            )
        return calls.SleepCall(checked)

    def run_blocking(self, function: Callable[..., Any], *args: Any) -> calls.BlockingCall:
        """Run ``function(*args)`` on the worker pool; it must not touch the handler."""
        return calls.BlockingCall(function, args)

    def image_urls(self, images: Sequence[str]) -> calls.MediaCall:
        """A product's images as a browser can fetch them; awaiting it gives a list of URLs.

        Images in the media directory get URLs that expire (``RUNTIME_MEDIA_URL_SECONDS``), so
        ask shortly before they are sent.

        Raises:
            ImageRefused: one is not there, or is no image.
        """
        return calls.MediaCall(Media.urls, (tuple(images),))

    def image_types(self, images: Sequence[str]) -> calls.MediaCall:
        """The content types of a product's images, such as ``image/webp``, as far as they are here.

        Awaiting it gives a list, with None for an image at a URL.

        Raises:
            ImageRefused: one is not there, or is no image.
        """
        return calls.MediaCall(Media.types, (tuple(images),))

    def image_bytes(self, image: str) -> calls.MediaCall:
        """The bytes of one of a product's images, wherever it is.

        Raises:
            ImageRefused: it cannot be used.
            CallFailed: it could not be downloaded.
        """
        return calls.MediaCall(download.image_bytes, (image,))

    def download_image(self, url: str) -> calls.MediaCall:
        """Keep an image in the media directory; awaiting it gives its path there.

        Only images (by their bytes, 20 MB at most) from public hosts over HTTPS. The same image
        has the same path, so that a step around it does no harm when it is repeated.

        Raises:
            ImageRefused: it may not be downloaded, or is no image.
            CallFailed: it could not be downloaded.
        """
        return calls.MediaCall(download.download_image, (url,))

    def transaction(
        self, name: str, function: Callable[..., Any], *args: Any
    ) -> calls.TransactionCall:
        """Run ``function(session, *args)`` in a database transaction on the worker pool.

        The runtime commits, and only while this run still owns the job. The result must be a
        JSON value.
        """
        return calls.TransactionCall(name, function, args)

    def settled(self, step: str) -> calls.Call:
        """Wait until an earlier attempt of a step, if there was one, cannot take effect any more.

        For a ``reconcile`` whose look at the marketplace finds something that need not be this
        job's. Awaiting it gives whether there was anything to wait for: then look again.
        """
        return calls.AwaitQuiet(step, settled=True)

    def progress(
        self, current: int, total: int | None = None, message: str | None = None
    ) -> calls.ProgressCall:
        """Say how far the job is.

        Raises:
            InvalidCall: not whole numbers, or a message that is no text.
        """
        numbers = [one for one in (current, total) if one is not None]
        if not all(isinstance(one, int) and abs(one) < LARGEST_NUMBER for one in numbers):
            raise InvalidCall(f"progress takes whole numbers, not {numbers!r}")
        if message is not None and not isinstance(message, str):
            raise InvalidCall("the message of progress must be text")
        if message is not None:
            message = storable(message)[-LONGEST_MESSAGE:]
        return calls.ProgressCall(current, total, message)

    def gather(self, *branches: calls.Call | Coroutine[Any, Any, Any]) -> calls.Gather:
        """Return a call that runs several calls or coroutines at once; its result is their results.

        The results stand in the order of the branches. All branches are waited for. If some fail,
        the failure of the one that stands first is raised afterwards.

        Raises:
            InvalidCall: one of them is neither a call nor a coroutine.
        """
        return calls.Gather(*branches)

    async def step(
        self,
        name: str,
        call: calls.Call | Callable[[], Awaitable[Any]],
        *,
        reconcile: Callable[[], Awaitable[Any]] | None = None,
        repeatable: bool = False,
    ) -> Any:
        """Make a call under a name; it is done once, and recorded before the handler goes on.

        After a crash or a retry the recorded result is returned and nothing is called. A
        failure that the handler catches is recorded and raised again too; one that ends the
        run is tried again by the next attempt.

        Args:
            name: unique in the run, and the same whenever the handler comes here again.
            call: a call, or a function of no arguments that returns an awaitable.
            reconcile: a function of no arguments that returns an awaitable; asked where it is
                not known whether a write took effect. A value means yes, and is the step's
                result; None means no; ``CannotTell`` leaves the question to a person.
            repeatable: doing it twice is the same as doing it once. A write that is neither
                repeatable nor has a ``reconcile`` pauses the job when its outcome is unknown.

        Returns:
            The result as it comes back from the record: a JSON value.

        Raises:
            DuplicateStepName: the name was used before in this run.
            DidNotHappen: the outcome was unknown, and the marketplace shows no effect.
        """
        if isinstance(call, calls.Call):
            return await calls.RunStep(name, partial(_awaiting, call), reconcile, repeatable)
        return await calls.RunStep(name, call, reconcile, repeatable)


async def _awaiting(call: calls.Call) -> Any:
    return await call
