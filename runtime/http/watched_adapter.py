"""Makes connections that end in time, and that ask whether a request may still leave."""

import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from requests import Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from runtime.errors import HeldUp, NotSent
from runtime.http.deadlines import Deadline

CHUNK_BYTES = 65_536
LONGEST_LOOKUP = timedelta(seconds=10)


class WatchedAdapter(HTTPAdapter):
    """Belongs to the session of one thread.

    Attributes:
        limit: ends the connection of the next request.
        may_leave: is asked for each new connection after DNS, TCP and TLS, which may take
            seconds; if it says no, ``HeldUp`` is raised, and no byte of the request has left.
    """

    def __init__(self) -> None:
        self.limit = Deadline()
        self.may_leave: Callable[[], bool] = lambda: True
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Let the pool make connections that know this adapter."""
        super().init_poolmanager(*args, **options)
        # urllib3 makes connections from a class and not from a function, so that each adapter has
        # classes of its own.
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
    """Read the body of an answer into ``body``, which holds the beginning if the rest fails.

    Raises:
        requests.RequestException: the body breaks off, or has more than ``most`` bytes.
    """
    for chunk in response.iter_content(CHUNK_BYTES):
        body += chunk
        if len(body) > most:
            raise ChunkedEncodingError(f"the answer has more than {most:,} bytes")
    return body


class _Watched(HTTPConnection):
    owner: WatchedAdapter

    def _new_conn(self) -> Any:
        return _watched(self.owner.limit, self, self._connected())

    def _connected(self) -> Any:
        """Look the name up within the deadline, which DNS itself lacks, and try each address."""
        name = self._dns_host
        try:
            addresses = self.owner.limit.bounded(
                lambda: _addresses(name, self.port), LONGEST_LOOKUP
            )
        except TimeoutError:
            raise NotSent(f"the host {name} cannot be looked up in time") from None
        except OSError as error:
            raise NewConnectionError(self, f"{name} cannot be looked up: {error}") from error
        problem: Exception | None = None
        try:
            for self._dns_host in addresses:
                try:
                    return super()._new_conn()
                except (NewConnectionError, ConnectTimeoutError) as error:
                    problem = error
        finally:
            # TLS compares the certificate with the name and not with the address.
            self._dns_host = name
        raise problem or NewConnectionError(self, f"{name} has no address")

    def connect(self) -> None:
        super().connect()
        _ask(self.owner.may_leave, self)

    def putrequest(self, *args: Any, **options: Any) -> None:
        if self.sock is not None:  # this connection was used before
            _watched(self.owner.limit, self, self.sock)
        super().putrequest(*args, **options)


def _addresses(name: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(name.strip("[]"), port, allowed_gai_family(), socket.SOCK_STREAM)
    except UnicodeError:
        return [name]  # urllib3 has its own words for what can be no name
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


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
