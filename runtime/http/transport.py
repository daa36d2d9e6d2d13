"""Carries out HTTP calls with ``requests``, and turns answers and errors into outcomes."""

import json
import math
import re
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests import exceptions
from urllib3.exceptions import MaxRetryError, ReadTimeoutError

from runtime.answers.error_answers import (
    EXCERPT,
    UNREADABLE,
    ReadRefusal,
    Refusal,
    excerpt,
    refusal_in,
)
from runtime.errors import (
    CallRejected,
    CallTimeout,
    ConnectionLost,
    HeldUp,
    ImageRefused,
    InvalidCall,
    NotSent,
    OutcomeUnknown,
)
from runtime.http.attached_images import OpenImage, no_images, opened
from runtime.http.deadlines import deadline
from runtime.http.watched_adapter import WatchedAdapter, read_body
from runtime.marketplaces.record import Marketplace
from runtime.runs.answer import Answer
from runtime.runs.calls import Failure, HttpCall, Outcome, Success
from runtime.values.json_values import without_unstorable_text
from runtime.values.sent_secrets import SentSecrets, secrets_among

CONNECT_TIMEOUT = timedelta(seconds=10)
MAX_BYTES = 20_000_000
_MAYBE_UNSTORABLE = re.compile(rb"\\u|\xed|\0")
"""Finds bodies that need a closer look: escapes, lone surrogates in UTF-8, other encodings."""


class HttpTransport:
    """Reads share a ``requests`` session for each thread and marketplace; each write has its own.

    Args:
        marketplaces: the records, with base URL and default headers.
        open_image: reads the images that a request uploads.
    """

    def __init__(
        self, marketplaces: Mapping[str, Marketplace], open_image: OpenImage = no_images
    ) -> None:
        self._marketplaces = marketplaces
        self._open_image = open_image
        self._local = threading.local()

    def perform(
        self,
        marketplace: str,
        call: HttpCall,
        timeout: timedelta,
        may_leave: Callable[[], bool] = lambda: True,
    ) -> Outcome:
        """Send the request once and wait for the answer.

        Args:
            may_leave: is asked for a write after it is connected, right before its bytes leave.
        """
        if not call.writes:
            return self._sent(self._session(marketplace), marketplace, call, timeout, lambda: True)
        # A write has a connection of its own. On a used connection the late answer to an earlier
        # request could be taken for the write's own, and a server that just closes the connection
        # would leave the outcome unknown.
        with self._new_session(marketplace) as session:
            return self._sent(session, marketplace, call, timeout, may_leave)

    def _sent(
        self,
        session: requests.Session,
        marketplace: str,
        call: HttpCall,
        timeout: timedelta,
        may_leave: Callable[[], bool],
    ) -> Outcome:
        body = bytearray()
        # A marketplace may repeat anything that it was sent, and no error may tell it on.
        secrets = SentSecrets(secrets_among(session.headers, call.headers, call.params, call.form))
        try:
            request = self._prepared(session, marketplace, call, secrets)
        except (InvalidCall, ImageRefused, NotSent) as error:
            return Failure(error)
        adapter = session.get_adapter(request.url or "")
        assert isinstance(adapter, WatchedAdapter)
        with deadline(timeout) as limit:
            adapter.limit, adapter.may_leave = limit, may_leave
            try:
                response = session.send(
                    request,
                    timeout=(
                        min(CONNECT_TIMEOUT, timeout).total_seconds(),
                        timeout.total_seconds(),
                    ),
                    # A redirect could lead a seller's token to a foreign host.
                    allow_redirects=False,
                    # The body is read in pieces, so that one that is too large is not in memory
                    # before it is refused.
                    stream=True,
                )
                with response:
                    read_body(response, body, MAX_BYTES)
            except (HeldUp, NotSent) as error:
                return Failure(error)
            except exceptions.RequestException as error:
                begun = secrets.taken_out_of_bytes(bytes(body))
                reason = secrets.taken_out_of(_reason(error))
                return Failure(_mapped(error, call, timeout, reason, begun, is_late=limit.is_over))
            except Exception as error:  # noqa: BLE001 - whatever it is, the request may have left
                what = f"{call.method} {call.path}: {secrets.taken_out_of(repr(error))}"
                return Failure(ConnectionLost(what, writes=call.writes))
            # An answer that the deadline cut off may look like a complete one.
            if limit.is_over:
                return Failure(_timed_out(call, timeout))
        known = self._marketplaces.get(marketplace)
        clean = secrets.taken_out_of_bytes(bytes(body))
        sorted_out = _sorted(response, clean, call, known.read_refusal if known else None)
        return replace(sorted_out, answer=_answer(response, clean, secrets))

    def _session(self, marketplace: str) -> requests.Session:
        sessions: dict[str, requests.Session] = self._local.__dict__.setdefault("sessions", {})
        if marketplace not in sessions:
            sessions[marketplace] = self._new_session(marketplace)
        return sessions[marketplace]

    def _new_session(self, marketplace: str) -> requests.Session:
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, WatchedAdapter())
        # Proxies and .netrc of this machine must not change a seller's call.
        session.trust_env = False
        # A cookie from one seller's answer must not go with another seller's call.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        known = self._marketplaces.get(marketplace)
        session.headers.update(known.default_headers if known else {})
        return session

    def _prepared(
        self, session: requests.Session, marketplace: str, call: HttpCall, secrets: SentSecrets
    ) -> requests.PreparedRequest:
        """Prepare the request, so that its errors show before it is sent."""
        try:
            url = self._url(marketplace, call.path)
            request = session.prepare_request(
                requests.Request(
                    call.method,
                    url,
                    params=call.params,
                    json=call.json,
                    data=call.form,
                    files=opened(call.files, self._open_image),
                    headers=call.headers,
                )
            )
            # http.client looks at headers only while it sends, which is too late, and names their
            # values when it refuses them. Old versions of requests leave a line break at the very
            # end to it.
            for name, value in request.headers.items():
                header = f"{name}: {value}".encode("latin-1")
                if b"\n" in header or b"\r" in header:
                    raise exceptions.InvalidHeader
        except (InvalidCall, ImageRefused, NotSent):
            raise
        except (exceptions.InvalidHeader, UnicodeEncodeError):
            # The message does not name the header: the error holds its value, maybe a secret.
            raise InvalidCall(
                f"{call.method} {call.path} cannot be sent: a header, or a credential that is one, "
                "holds a line break or another character that no header may hold"
            ) from None
        except Exception as error:  # noqa: BLE001 - the cause may hold a secret, and is left out
            reason = secrets.taken_out_of(str(error))
            raise InvalidCall(f"{call.method} {call.path} cannot be sent: {reason}") from None
        return request

    def _url(self, marketplace: str, path: str) -> str:
        known = self._marketplaces.get(marketplace)
        base = known.base_url if known else None
        if base is None:
            if urlsplit(path).scheme not in {"http", "https"}:
                raise InvalidCall(
                    f"{marketplace} has no base_url, so call_http needs an absolute URL, "
                    f"not {path!r}: give its Marketplace record a base_url"
                )
            return path
        url = urljoin(base.rstrip("/") + "/", path.lstrip("/"))
        # The session's headers hold secrets of the application, which no other host may see.
        if urlsplit(url)[:2] != urlsplit(base)[:2]:
            raise InvalidCall(f"{path!r} leads away from {base}: give a path below it")
        return url


def _sorted(
    response: requests.Response, body: bytes, call: HttpCall, read: ReadRefusal | None
) -> Outcome:
    status = response.status_code
    where = f"{call.method} {call.path}"
    # A redirect is an error, too, because it is not followed.
    if status >= 300:
        return _refused(where, status, refusal_in(read, status, body), call)
    if not body and _is_complete(response):
        return Success(None)
    try:
        return Success(_value(body))
    except (ValueError, RecursionError):
        message = f"{where} answered {status} with something that is not JSON: {excerpt(body)}"
        # The status says that a write was accepted, but its result is lost: it has to be looked up.
        if call.writes:
            return Failure(
                OutcomeUnknown(message, status=status, error_code=UNREADABLE, writes=True)
            )
        return Failure(CallRejected(message, error_code=UNREADABLE))


def _value(body: bytes) -> Any:
    """Return an answer's JSON as a journal can store it: one broken title must not cost a write."""
    value = json.loads(body, parse_constant=_finite, parse_float=_finite)
    return without_unstorable_text(value) if _MAYBE_UNSTORABLE.search(body) else value


def _finite(number: str) -> float:
    """Read a number, but not infinity or NaN, which are no JSON and fit no database column."""
    if not math.isfinite(value := float(number)):
        raise ValueError(f"{number} is no JSON")
    return value


def _refused(where: str, status: int, refusal: Refusal, call: HttpCall) -> Outcome:
    # A server that failed may have failed after it had done the write, unless the marketplace's
    # own words rule this out.
    open_ended = status >= 500 and call.writes and not refusal.undone
    kind = OutcomeUnknown if open_ended else CallRejected
    return Failure(
        kind(
            f"{where} answered {status}: {refusal.words}",
            status=status,
            error_code=refusal.code,
            writes=call.writes,
            details=dict(refusal.details) or None,
        )
    )


def _answer(response: requests.Response, body: bytes, secrets: SentSecrets) -> Answer:
    good = response.status_code < 300
    text = "" if good else body[:EXCERPT].decode(errors="replace")
    # The case of a header's name means nothing in HTTP, and differs from server to server.
    headers = {
        name.lower(): secrets.taken_out_of(value) for name, value in response.headers.items()
    }
    return Answer(response.status_code, headers, text, good=good)


def _is_complete(response: requests.Response) -> bool:
    """Return whether the body is really empty, and was not cut off with the connection."""
    if response.request.method == "HEAD" or response.status_code in {204, 205}:
        return True
    return bool({"Content-Length", "Transfer-Encoding"} & set(response.headers))


def _mapped(
    error: exceptions.RequestException,
    call: HttpCall,
    timeout: timedelta,
    told: str,
    body: bytes,
    *,
    is_late: bool,
) -> Exception:
    where = f"{call.method} {call.path}"
    reason = error.args[0] if error.args else error
    if isinstance(error, exceptions.ConnectTimeout):
        return NotSent(f"{where}: no connection in time")
    if _in_handshake(error):
        return NotSent(f"{where}: cannot connect: {told}")
    if is_late or isinstance(error, exceptions.Timeout) or isinstance(reason, ReadTimeoutError):
        return _timed_out(call, timeout)
    if isinstance(error, exceptions.ConnectionError | exceptions.ChunkedEncodingError):
        # Apart from errors of TLS, urllib3 raises MaxRetryError only while it connects, so that
        # nothing was sent.
        if isinstance(reason, MaxRetryError) and not isinstance(error, exceptions.SSLError):
            return NotSent(f"{where}: cannot connect: {told}")
        begun = f"; the answer began: {excerpt(body)}" if body else ""
        message = f"{where}: the connection broke: {told}{begun}"
        return ConnectionLost(message, writes=call.writes)
    if isinstance(error, exceptions.ContentDecodingError):
        return ConnectionLost(f"{where}: unreadable answer: {told}", writes=call.writes)
    return InvalidCall(f"{where} cannot be sent: {told}")


def _reason(error: exceptions.RequestException) -> str:
    reason = error.args[0] if error.args else error
    # The error around it tells the URL as well, with its query.
    if isinstance(reason, MaxRetryError) and not isinstance(error, exceptions.SSLError):
        return str(reason.reason)
    return str(error)


def _in_handshake(error: exceptions.RequestException) -> bool:
    """Return whether the error arose in the TLS handshake, before the request left.

    urllib3 raises the same error before and after that, but the traceback shows the handshake.
    """
    return any(
        frame.f_code.co_name == "do_handshake"
        for cause in _causes(error)
        for frame, _ in traceback.walk_tb(cause.__traceback__)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    # urllib3 raises some errors from others, and some while it handles others.
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _timed_out(call: HttpCall, timeout: timedelta) -> CallTimeout:
    seconds = timeout.total_seconds()
    message = f"{call.method} {call.path}: no answer after {seconds:g}s"
    return CallTimeout(message, writes=call.writes)
