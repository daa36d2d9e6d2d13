"""Connects by HTTPS to an address that was checked before, and ends when the time is over."""

import http.client
import socket
import ssl

from runtime.http.deadlines import Deadline

CONNECT_SECONDS = 10.0


class PinnedConnection(http.client.HTTPSConnection):
    """Connects to one address, and expects the certificate of the host that it was found for."""

    def __init__(
        self, host: str, port: int, address: str, trust: ssl.SSLContext, limit: Deadline
    ) -> None:
        super().__init__(host, port, timeout=CONNECT_SECONDS, context=trust)
        self._address = address
        self._trust = trust
        self._limit = limit

    def connect(self) -> None:
        """Connect, and agree on TLS."""
        plain = socket.create_connection((self._address, self.port), CONNECT_SECONDS)
        # The handshake waits until the deadline watches the connection, because a server may let
        # its bytes trickle already there.
        secured = self._trust.wrap_socket(
            plain, server_hostname=self.host, do_handshake_on_connect=False
        )
        try:
            self._limit.watch(secured)
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        self.sock = secured
