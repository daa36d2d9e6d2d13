"""A Socket.IO client as a seller's page has one, which leaves nothing behind."""

from typing import Any

import requests
import socketio


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
    client.shutdown()
    # The server may just have ended the connection. Then the library has decided to connect again
    # before it could know better, and says so only when it has read to the end.
    if client.eio.read_loop_task is not None:
        client.eio.read_loop_task.join()
    client.shutdown()
    client.eio.http.close()
