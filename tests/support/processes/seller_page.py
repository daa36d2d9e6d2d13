"""A seller's page, written against the wire alone."""

import contextlib
import threading
from typing import Any

import socketio

from plugins.vinted.sandbox.bridge_client import bridge_client, close_client
from tests.support.processes.service_process import Installation


class SellerPage:
    """A seller's page, written against the wire alone."""

    def __init__(self, installation: Installation, user_id: int, pages: int) -> None:
        self.commands: list[dict[str, Any]] = []
        self.pages = pages
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.client = bridge_client()
        self.client.on("plugin_command", self._command)
        token = installation.run("token", "--user", str(user_id)).stdout.strip()
        self.client.connect(installation.url, auth={"user_id": user_id, "token": token})

    def _command(self, command: dict[str, Any]) -> None:
        self.commands.append(command)
        self.may_answer.wait(30)
        page = command["payload"]["page"]
        items = [{"id": page * 1000 + n, "title": f"Item {n}"} for n in range(3)]
        data = {
            "items": items,
            "pagination": {"current_page": page, "total_pages": self.pages},
        }
        answer = {"request_id": command["request_id"], "success": True, "data": data}
        # The service may be gone by now; a page could not answer either.
        with contextlib.suppress(socketio.exceptions.SocketIOError):
            self.client.emit("plugin_response", answer)

    def close(self) -> None:
        """Close the page."""
        self.may_answer.set()
        close_client(self.client)
