"""The built client in a Node process, led by a test."""

import json
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.browser.needs import node
from tests.support.deadline import wait_until

SCRIPT = Path(__file__).with_name("node_page.mjs")


class NodePage:
    """A seller's page under Node, as long as the ``with`` block goes on.

    Args:
        options: of ``connectRelay``; without ``token`` the page asks for each.
    """

    def __init__(self, dist: Path, url: str, user_id: int = 7, **options: Any) -> None:
        given = {
            "module": str(dist / "index.js"),
            "url": url,
            "userId": user_id,
            "asksForTokens": "token" not in options,
            **options,
        }
        self._command = [node(), str(SCRIPT), json.dumps(given)]
        self._said: list[dict[str, Any]] = []
        self._heard = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def tell(self, order: str, value: Any = None) -> None:
        """Let it do something; see ``orders`` in the script."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([order, value]) + "\n")
        self._process.stdin.flush()

    def send_signal(self, number: int) -> None:
        """Stop the page, or let it go on."""
        self._process.send_signal(number)

    def hear(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next that it says of that kind and with these fields."""

        def probe() -> dict[str, Any] | None:
            while self._heard < len(self._said):
                event = self._said[self._heard]
                self._heard += 1
                if event["type"] == kind and fields.items() <= event.items():
                    return event
            return None

        try:
            return wait_until(probe)
        except AssertionError:
            raise AssertionError(f"{kind} {fields} was not among {self._said}") from None

    def said(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """All that it has said so far of that kind and with these fields."""
        said = [one for one in self._said if one["type"] == kind]
        return [one for one in said if fields.items() <= one.items()]

    def connected(self) -> Self:
        """This page, once it is connected."""
        self.hear("state", state="connected")
        return self

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(json.loads(line))
