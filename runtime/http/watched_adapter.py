"""Connections that are cut off in time, and that ask whether a request may still leave."""

from collections.abc import Callable
from typing import Any

from requests import Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from runtime.errors import HeldUp, NotSent
from runtime.http.deadlines import Deadline

CHUNK_BYTES = 65_536


class WatchedAdapter(HTTPAdapter):
    """For a session of one thread.

    Attributes:
        limit: ends the connection of the request that is sent next.
        may_leave: asked of each new connection once DNS, TCP and TLS are done, which may take
            seconds; where it says no, ``HeldUp`` is raised and not a byte of the request has left.
    """

    def __init__(self) -> None:
        self.limit = Deadline()
        self.may_leave: Callable[[], bool] = lambda: True
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make connections that know of this."""
        super().init_poolmanager(*args, **options)
        adapter = self

        class Plain(_Watched, HTTPConnection):
            owner = adapter

        class Secure(_Watched, HTTPSConnection):
            owner = adapter

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def read_body(response: Response, body: bytearray, most: int) -> bytearray:
    """Read the body of an answer, into ``body`` as it comes.

    Raises:
        requests.RequestException: it breaks off, or has more bytes than that.
    """
    for chunk in response.iter_content(CHUNK_BYTES):
        body += chunk
        if len(body) > most:
            raise ChunkedEncodingError(f"the answer has more than {most:,} bytes")
    return body


class _Watched(HTTPConnection):
    owner: WatchedAdapter

    def _new_conn(self) -> Any:
        return _watched(self.owner.limit, self, super()._new_conn())

    def connect(self) -> None:
        super().connect()
        _ask(self.owner.may_leave, self)

    def putrequest(self, *args: Any, **options: Any) -> None:
        if self.sock is not None:  # a connection that was used before
            _watched(self.owner.limit, self, self.sock)
        super().putrequest(*args, **options)


def _watched(limit: Deadline, connection: HTTPConnection, connected: Any) -> Any:
    try:
        limit.watch(connected)
    except TimeoutError:
        connected.close()
        connection.close()
        raise NotSent(f"no connection to {connection.host} in time") from None
    return connected


def _ask(may_leave: Callable[[], bool], connection: HTTPConnection) -> None:
    if not may_leave():
        connection.close()
        raise HeldUp(f"too late to leave for {connection.host}")
