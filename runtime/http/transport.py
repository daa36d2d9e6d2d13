"""Carries out HTTP calls with ``requests`` and sorts what comes back."""

import json
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests import exceptions
from urllib3.exceptions import MaxRetryError

from runtime.calls import Failure, HttpCall, Outcome, Success
from runtime.errors import (
    CallRejected,
    CallTimeout,
    ConnectionLost,
    InvalidCall,
    NotSent,
    OutcomeUnknown,
)
from runtime.hookspecs import Marketplace

CONNECT_TIMEOUT = timedelta(seconds=10)
MAX_BYTES = 20_000_000
CHUNK_BYTES = 65_536
EXCERPT = 500


class HttpTransport:
    """One ``requests`` session per thread and marketplace.

    Args:
        marketplaces: base URL and default headers of each.
    """

    def __init__(self, marketplaces: Mapping[str, Marketplace]) -> None:
        self._marketplaces = marketplaces
        self._local = threading.local()

    def perform(self, marketplace: str, call: HttpCall, timeout: timedelta) -> Outcome:
        """Send the request once and wait for the answer."""
        deadline = time.monotonic() + timeout.total_seconds()
        try:
            url = self._url(marketplace, call.path)
            response = self._session(marketplace).request(
                call.method,
                url,
                params=call.params,
                json=call.json,
                data=call.form,
                files=call.files,
                headers=call.headers,
                timeout=(min(CONNECT_TIMEOUT, timeout).total_seconds(), timeout.total_seconds()),
                allow_redirects=False,
                stream=True,
            )
            with response:
                body = _read(response, deadline)
        except InvalidCall as error:
            return Failure(error)
        except TimeoutError:
            return Failure(_timed_out(call, timeout))
        except exceptions.RequestException as error:
            return Failure(_mapped(error, call, timeout))
        return _sorted(response, body, call)

    def _session(self, marketplace: str) -> requests.Session:
        sessions: dict[str, requests.Session] = self._local.__dict__.setdefault("sessions", {})
        if marketplace not in sessions:
            session = sessions[marketplace] = requests.Session()
            # Nothing of the machine's (proxies, .netrc) may find its way into a seller's call.
            session.trust_env = False
            known = self._marketplaces.get(marketplace)
            session.headers.update(known.default_headers if known else {})
        return sessions[marketplace]

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
        if urlsplit(url)[:2] != urlsplit(base)[:2]:
            raise InvalidCall(f"{path!r} leads away from {base}: give a path below it")
        return url


def _read(response: requests.Response, deadline: float) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_BYTES:
            raise exceptions.ChunkedEncodingError(f"the answer has more than {MAX_BYTES:,} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(body)


def _sorted(response: requests.Response, body: bytes, call: HttpCall) -> Outcome:
    status = response.status_code
    where = f"{call.method} {call.path}"
    if status >= 500 and call.writes:
        return Failure(OutcomeUnknown(f"{where} answered {status}", status=status, writes=True))
    if status >= 300:
        text = body[:EXCERPT].decode(errors="replace")
        message = f"{where} answered {status}: {text}"
        return Failure(CallRejected(message, status=status, writes=call.writes))
    if not body:
        return Success(None)
    try:
        value: Any = json.loads(body)
    except ValueError:
        text = body[:EXCERPT].decode(errors="replace")
        message = f"{where} answered {status} with something that is not JSON: {text}"
        if call.writes:
            return Failure(OutcomeUnknown(message, status=status, writes=True))
        return Failure(CallRejected(message))
    return Success(value)


def _mapped(error: exceptions.RequestException, call: HttpCall, timeout: timedelta) -> Exception:
    where = f"{call.method} {call.path}"
    if isinstance(error, exceptions.ConnectTimeout):
        return NotSent(f"{where}: no connection in time")
    if isinstance(error, exceptions.Timeout):
        return _timed_out(call, timeout)
    if isinstance(error, exceptions.ConnectionError | exceptions.ChunkedEncodingError):
        # urllib3 gives up before sending only while it connects: DNS, TCP or TLS.
        reason = error.args[0] if error.args else error
        if isinstance(reason, MaxRetryError):
            return NotSent(f"{where}: cannot connect: {reason.reason}")
        return ConnectionLost(f"{where}: the connection broke: {error}", writes=call.writes)
    if isinstance(error, exceptions.ContentDecodingError):
        return ConnectionLost(f"{where}: unreadable answer: {error}", writes=call.writes)
    return InvalidCall(f"{where} cannot be sent: {error}")


def _timed_out(call: HttpCall, timeout: timedelta) -> CallTimeout:
    seconds = timeout.total_seconds()
    message = f"{call.method} {call.path}: no answer after {seconds:g}s"
    return CallTimeout(message, writes=call.writes)
