"""A Socket.IO client as a seller's page has one, which leaves nothing behind."""

from typing import Any

import requests
import socketio

from tests.support.deadline import wait_until


def seller_client(**options: Any) -> socketio.Client:
    """Return a client that is not connected yet.

    Args:
        options: see :class:`socketio.Client`.
    """
    session = requests.Session()
    # The client connects from threads of its own, and pytest changes the environment meanwhile:
    # reading all of it at that moment fails.
    session.trust_env = False
    return socketio.Client(handle_sigint=False, http_session=session, **options)


def close_client(client: socketio.Client) -> None:
    """Disconnect for good: no thread of the client goes on to connect again."""
    client.reconnection = False
    wait_until(lambda: _is_over(client))
    # The library may have decided to connect again before it was told above not to.
    client.shutdown()
    client.eio.http.close()


def _is_over(client: socketio.Client) -> bool:
    # Once is not enough: if the client is about to be connected again, the library waits until it
    # is, and leaves it so.
    client.shutdown()
    return bool(client.eio.state != "connected")
