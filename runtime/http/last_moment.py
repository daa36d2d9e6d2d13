"""Asks whether a request may still leave when everything but its bytes is ready."""

from collections.abc import Callable
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from runtime.errors import HeldUp


class LastMomentAdapter(HTTPAdapter):
    """For a session with one request: its connection is made first, which may take seconds.

    Args:
        may_leave: asked once DNS, TCP and TLS are done; where it says no, ``HeldUp`` is raised
            and not a byte of the request has left.
    """

    def __init__(self, may_leave: Callable[[], bool]) -> None:
        self._may_leave = may_leave
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make connections that ask."""
        super().init_poolmanager(*args, **options)
        may_leave = self._may_leave

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                _ask(may_leave, self)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                _ask(may_leave, self)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def _ask(may_leave: Callable[[], bool], connection: HTTPConnection) -> None:
    if not may_leave():
        connection.close()
        raise HeldUp(f"too late to leave for {connection.host}")
