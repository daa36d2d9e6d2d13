"""The class that the handlers of plugins inherit."""

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import structlog

from runtime.errors import InvalidCall, JobFailed
from runtime.errors.safe_text import safe_repr, storable
from runtime.http import download
from runtime.products.media import Media
from runtime.runs import calls
from runtime.runs.job import Job, Shop

# Programs that read the numbers of JSON as doubles hold them exactly only up to here.
LARGEST_NUMBER = 2**53
LONGEST_MESSAGE = 500

C = TypeVar("C", bound=calls.Call)


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
        self._unawaited: dict[int, calls.Call] = {}
        self.log: Any = structlog.get_logger(type(self).__module__).bind(**job.log_context)

    async def execute(self, job: Job) -> Any:  # noqa: ARG002 - the interface
        """Do the job.

        Returns:
            A JSON value; it becomes the job's ``result``.

        Raises:
            JobFailed: the job cannot succeed; it fails at once.
            Snooze: the job runs again later, and this uses up no attempt.
            Exception: every other error is retried while attempts remain.
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
        """The seller's account for which the job acts."""
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
            timeout: the time from when the command leaves, as seconds or a timedelta; the
                default is the ``timeout_seconds`` of the action type.
            reads: whether the command changes nothing, so that it may be repeated freely.
            settles_within: the time in which a write that left can still take effect; the default
                is 2 min.

        Raises:
            CallRejected: the browser answered ``success: false``.
            SellerNotConnected, ConnectionLost, CallTimeout
        """
        # The call is a value. It leaves when it is awaited, so a step can look at its record
        # before.
        return self._made(
            calls.WebSocketCall(
                action,
                payload or {},
                calls.as_duration(timeout, "timeout"),
                reads,
                calls.as_duration(settles_within, "settles_within") or calls.BROWSER_SETTLES_WITHIN,
            )
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
            settles_within: the time in which a write that left can still take effect; the default
                is 30 s.

        Raises:
            CallRejected: a status of 400 or more that says the request is wrong.
            ImageRefused: one of the files cannot be used; nothing was sent.
            NotSent, ConnectionLost, CallTimeout, OutcomeUnknown
        """
        return self._made(calls.HttpCall(
            method.upper(), path, params, json, form, files, headers,
            calls.as_duration(timeout, "timeout"),
            calls.as_duration(settles_within, "settles_within") or calls.HTTP_SETTLES_WITHIN,
        ))  # fmt: skip

    def sleep(self, duration: timedelta | float) -> calls.SleepCall:
        """Wait up to 60 s; a longer wait is ``raise Snooze(until)``, which survives a restart."""
        checked = calls.as_duration(duration, "sleep")
        # A run that sleeps holds its place in the lane, and a restart forgets how long it slept.
        if checked is None or checked > calls.MAX_SLEEP:
            raise InvalidCall(
                f"sleep takes at most {calls.MAX_SLEEP.seconds} s, not {duration!r}: "
                "raise Snooze(until) to run again later"
            )
        return self._made(calls.SleepCall(checked))

    def run_blocking(self, function: Callable[..., Any], *args: Any) -> calls.BlockingCall:
        """Run ``function(*args)`` on the worker pool; the function must not touch the handler."""
        # The coroutine of a handler runs on the thread of its marketplace's actor, which serves
        # every other job of the marketplace, too: a function that blocks there would hold them all
        # up.
        return self._made(calls.BlockingCall(function, args))

    def image_urls(self, images: Sequence[str]) -> calls.MediaCall:
        """Return a call that gives the URLs at which a browser can fetch a product's images.

        Images in the media directory get URLs that expire (``RUNTIME_MEDIA_URL_SECONDS``), so ask
        for them shortly before they are sent.

        Raises:
            ImageRefused: one is not there, or is no image.
        """
        # The worker fills in the media directory: a handler knows neither paths nor keys.
        return self._made(calls.MediaCall(Media.urls, (tuple(images),)))

    def image_types(self, images: Sequence[str]) -> calls.MediaCall:
        """Return a call that gives the content types of a product's images, such as ``image/webp``.

        Its result is a list, with None for an image at a URL.

        Raises:
            ImageRefused: one is not there, or is no image.
        """
        return self._made(calls.MediaCall(Media.types, (tuple(images),)))

    def image_bytes(self, image: str) -> calls.MediaCall:
        """Return a call that gives the bytes of a product's image, wherever the image is.

        Raises:
            ImageRefused: the image cannot be used.
            CallFailed: the image could not be downloaded.
        """
        return self._made(calls.MediaCall(download.image_bytes, (image,)))

    def download_image(self, url: str) -> calls.MediaCall:
        """Return a call that stores an image in the media directory, and gives its path there.

        It takes only images (judged by their bytes, 20 MB at most) from public hosts over HTTPS.
        The same image has the same path, so a step with this call does no harm when it is repeated.

        Raises:
            ImageRefused: the file may not be downloaded, or is no image.
            CallFailed: the file could not be downloaded.
        """
        return self._made(calls.MediaCall(download.download_image, (url,)))

    def transaction(
        self, name: str, function: Callable[..., Any], *args: Any
    ) -> calls.TransactionCall:
        """Run ``function(session, *args)`` in a database transaction on the worker pool.

        The runtime commits, and only while this run still owns the job. The result must be a
        JSON value.
        """
        # The name is that of a step: the row in the journal is committed with the function's
        # writes.
        return self._made(calls.TransactionCall(name, function, args))

    def settled(self, step: str) -> calls.Call:
        """Wait until earlier attempts of a step, if there were any, cannot take effect any more.

        This is for a ``reconcile`` that finds something on the marketplace which need not be this
        job's. The result says whether there was an attempt to wait for; if so, look again.
        """
        return calls.AwaitQuiet(step, settled=True)

    def progress(
        self, current: int, total: int | None = None, message: str | None = None
    ) -> calls.ProgressCall:
        """Tell how far the job has come.

        Raises:
            InvalidCall: the numbers are not whole, or the message is no text.
        """
        numbers = [one for one in (current, total) if one is not None]
        if not all(isinstance(one, int) and abs(one) < LARGEST_NUMBER for one in numbers):
            raise InvalidCall(f"progress takes whole numbers, not {numbers!r}")
        if message is not None and not isinstance(message, str):
            raise InvalidCall("the message of progress must be text")
        if message is not None:
            # A message that PostgreSQL refuses must not fail a job that is doing well.
            message = storable(message)[-LONGEST_MESSAGE:]
        return self._made(calls.ProgressCall(current, total, message))

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
        """Make a call under a name; the call is done once, and recorded before the handler goes on.

        After a crash or a retry the recorded result is returned, and nothing is called. A failure
        that the handler catches is recorded, too, and raised again. A failure that ends the run is
        tried again by the next run.

        Args:
            name: a text that is unique in the run, and the same whenever the handler comes here.
            call: a call, or a function of no arguments that returns an awaitable.
            reconcile: a function of no arguments that returns an awaitable. It is asked if nobody
                knows whether a write took effect. A value means yes, and is the step's result;
                None means no; ``CannotTell`` leaves the question to a person.
            repeatable: whether doing the call twice is the same as doing it once. A write that is
                neither repeatable nor has a ``reconcile`` pauses the job if its outcome is unknown.

        Returns:
            The result as it comes back from the record: a JSON value.

        Raises:
            DuplicateStepName: the name was used before in this run.
            DidNotHappen: the outcome was unknown, and the marketplace shows no effect.
        """
        _check_step(name, call, "call")
        if reconcile is not None:
            _check_step(name, reconcile, "reconcile")
        # A step keeps a function and not an awaitable, which could be awaited once only.
        if isinstance(call, calls.Call):
            call.note_use()
            return await calls.RunStep(name, partial(_awaiting, call), reconcile, repeatable)
        # The function may hold calls that were made before, and it is not called if the step was
        # done by a former run. So none of those calls counts as forgotten.
        self._unawaited.clear()
        return await calls.RunStep(name, call, reconcile, repeatable)

    def _made(self, call: C) -> C:
        call.keep_until_use(self._unawaited)
        return call

    def _complain_of_unawaited(self) -> None:
        """Tell of the calls that were made and never awaited.

        Raises:
            InvalidCall: one of them was to change something, so the job was not done.
        """
        for call in self._unawaited.values():
            what = _described(call)
            if call.writes or type(call) is calls.BlockingCall:
                raise InvalidCall(
                    f"{what} was made and never awaited, so nothing was done: write `await` "
                    "before it"
                )
            self.log.warning("call_never_awaited", call=what, remedy="write `await` before it")


def execution_of(handler: BaseJobHandler) -> Any:
    """Return the coroutine of one run; it fails if the handler forgot to await a call.

    A handler that was not defined with `async def` has returned something else; this comes back as
    it is.
    """
    coroutine = handler.execute(handler.job)
    return _watched(handler, coroutine) if inspect.iscoroutine(coroutine) else coroutine


async def _watched(handler: BaseJobHandler, coroutine: Coroutine[Any, Any, Any]) -> Any:
    result = await coroutine
    handler._complain_of_unawaited()  # noqa: SLF001 - plugins shall not see it among the methods
    return result


def _check_step(name: str, given: object, argument: str) -> None:
    """Refuse what a step cannot call.

    Raises:
        InvalidCall: it is no function, and for ``call`` no call either.
    """
    if callable(given) or (argument == "call" and isinstance(given, calls.Call)):
        return
    shown = safe_repr(given)
    if isinstance(given, Coroutine | calls.Gather):
        # Python would warn that it was never awaited.
        given.close()
    raise InvalidCall(
        f"the {argument} of step {name!r} is {shown}, which could be awaited once only: give the "
        "function itself, as in self.step(name, self.helper), or with arguments "
        "self.step(name, lambda: self.helper(argument))"
    )


def _described(call: calls.Call) -> str:
    match call:
        case calls.HttpCall():
            return f"the call {call.method} {call.path}"
        case calls.WebSocketCall():
            return f"the command {call.action}"
        case calls.TransactionCall():
            return f"the transaction {call.name!r}"
    return f"the {type(call).__name__}"


async def _awaiting(call: calls.Call) -> Any:
    return await call
