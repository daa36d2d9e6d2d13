"""A Socket.IO client as a seller's page has one, which leaves nothing behind."""

from typing import Any

import requests
import socketio
import websocket

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
    opened: list[websocket.WebSocket] = []

    def open_websocket(**given: Any) -> websocket.WebSocket:
        opened.append(websocket.WebSocket(**given))
        return opened[-1]

    client = socketio.Client(
        handle_sigint=False, http_session=session,
        websocket_extra_options={"class_": open_websocket}, **options,
    )  # fmt: skip
    client.opened = opened
    return client


def close_client(client: socketio.Client) -> None:
    """Disconnect for good: no thread of the client goes on to connect again."""
    client.reconnection = False
    wait_until(lambda: _is_over(client))
    # The library may have decided to connect again before it was told above not to.
    client.shutdown()
    client.eio.http.close()
    close_sockets(client)


def close_sockets(client: socketio.Client) -> None:
    """Close what a client that is not connected any more has left open."""
    # The library forgets those of connections that the server ended, or that came to nothing.
    for one in client.opened:
        one.shutdown()


def _is_over(client: socketio.Client) -> bool:
    # Once is not enough: if the client is about to be connected again, the library waits until it
    # is, and leaves it so.
    client.shutdown()
    return bool(client.eio.state != "connected")
