"""The application's web site, and what its sellers' browser plugin does on Vinted.

Served from an origin of its own, as an application's pages are. What the plugin does is done by
the sandbox's, here rather than in the page, so that it is remembered when the page is reloaded.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from plugins.vinted.sandbox import Extension, Wardrobe
from tests.browser.built_client import CLIENT

PLUGIN = """
window.tab = Math.random().toString(36).slice(2);
window.stoflow = {
  executeAction: async (action, payload) => {
    const body = JSON.stringify({ tab: window.tab, action, payload });
    return (await fetch("/plugin", { method: "POST", body })).json();
  },
};
"""
"""The script that an extension puts into the page before the page's own scripts run."""

PATIENCE_SECONDS = 60


class SellerSite:
    """The site, as long as the ``with`` block goes on.

    Attributes:
        extension: what the plugin does on Vinted; its ``wardrobe`` is the seller's.
        executed: what the plugin was asked to do, in order: tab, action and payload.
        may_answer: cleared, writes are still done, but not answered before it is set.
    """

    def __init__(self, dist: Path, wardrobe: Wardrobe) -> None:
        self.extension = Extension(wardrobe)
        self.executed: list[dict[str, Any]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._files = {"/": CLIENT / "example" / "index.html"} | {
            f"/{name}": dist / name for name in ("relay.global.js", "relay.global.js.map")
        }
        site = self

        class Handler(_Handler):
            files = self._files

            def perform(self, request: dict[str, Any]) -> dict[str, Any]:
                return site.perform(request)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def origin(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def page(self, **query: str) -> str:
        """The address of a seller's page."""
        return f"{self.origin}/?{urlencode(query)}"

    def tabs(self) -> set[str]:
        """The tabs that executed something."""
        return {one["tab"] for one in self.executed}

    def actions(self) -> list[str]:
        """The executed actions, in order."""
        return [one["action"] for one in self.executed]

    def titles(self) -> list[str]:
        """The items that the seller has on sale."""
        return self.extension.wardrobe.titles()

    def perform(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what the plugin was asked to do."""
        self.executed.append(request)
        result = self.extension.execute(request["action"], request["payload"])
        if "reference" in request["payload"]:
            self.may_answer.wait(PATIENCE_SECONDS)
        # As the plugin's own interface names it.
        if "error_code" in result:
            result["errorCode"] = result.pop("error_code")
        return result


class _Handler(BaseHTTPRequestHandler):
    files: dict[str, Path]

    def perform(self, request: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def do_GET(self) -> None:
        found = self.files.get(self.path.partition("?")[0])
        if found is None:
            self.send_error(404)
            return
        kind = "text/html" if found.suffix == ".html" else "text/javascript"
        self._send(f"{kind}; charset=utf-8", found.read_bytes())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        result = self.perform(json.loads(body))
        self._send("application/json", json.dumps(result).encode())

    def _send(self, kind: str, body: bytes) -> None:
        # A page that was left does not wait for its answer.
        try:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""
