"""A Socket.IO client of the bridge, as a seller's page has one, that can be closed for good."""

import importlib.util
import time
from typing import Any

import requests
import socketio

_LOOK_SECONDS = 0.01
_CLOSE_SECONDS = 30.0


def has_websockets() -> bool:
    """Whether the library that a client needs for WebSockets is installed.

    A service needs none, so it may be missing where the demo runs.
    """
    return importlib.util.find_spec("websocket") is not None


def bridge_client(**options: Any) -> socketio.Client:
    """Return a client that is not connected yet.

    Args:
        options: see :class:`socketio.Client`.
    """
    session = requests.Session()
    # The client connects from threads of its own, and whoever runs the process may change the
    # environment meanwhile: reading all of it at that moment fails.
    session.trust_env = False
    opened: list[Any] = []

    def open_websocket(**given: Any) -> Any:
        import websocket

        opened.append(websocket.WebSocket(**given))
        return opened[-1]

    client: socketio.Client = socketio.Client(
        # Ctrl-C belongs to the command that runs the client.
        handle_sigint=False,
        http_session=session,
        websocket_extra_options={"class_": open_websocket},
        **options,
    )
    client.opened = opened
    return client


def close_client(client: socketio.Client) -> None:
    """Disconnect for good: no thread of the client goes on to connect again.

    Raises:
        TimeoutError: a thread of the client still connects after 30 s.
    """
    client.reconnection = False
    give_up_at = time.monotonic() + _CLOSE_SECONDS
    while not _is_over(client):
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"a client of the bridge still connects after {_CLOSE_SECONDS:g} s")
        time.sleep(_LOOK_SECONDS)
    client.eio.http.close()
    close_sockets(client)


def close_sockets(client: socketio.Client) -> None:
    """Close what a client that is not connected any more has left open."""
    # The library forgets those of connections that the server ended, or that came to nothing.
    for one in client.opened:
        one.shutdown()


def _is_over(client: socketio.Client) -> bool:
    # The library's own ``shutdown`` loses a race: if a thread of the client is just connecting
    # again, it joins a thread that has taken its order to stop back, or leaves the connection open
    # that this thread is about to make.
    connecting = client._reconnect_task  # noqa: SLF001
    if connecting is not None and connecting.is_alive():
        if client._reconnect_abort is not None:  # noqa: SLF001
            client._reconnect_abort.set()  # noqa: SLF001
        return False
    if client.connected:
        client.disconnect()
    return bool(client.eio.state != "connected")
