"""A marketplace's token endpoint that counts, and can be told to misbehave."""

import json
import threading
from datetime import timedelta
from itertools import count
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from runtime.marketplaces.record import OAuth2


class TokenServer:
    """Answers at ``/token``.

    Attributes:
        forms: what was sent to it.
        rotates: each refresh token counts once, and its answer brings the next.
        lifetime: of access tokens.
        failures: answers to give instead of good ones, first to last.
    """

    def __init__(self, server: HTTPServer, *, rotates: bool = True) -> None:
        self.forms: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.rotates = rotates
        self.lifetime = timedelta(hours=2)
        self.failures: list[tuple[int, dict[str, Any]]] = []
        self.live_refresh_tokens = {"refresh-0"}
        self._numbers = count(1)
        self._lock = threading.Lock()
        server.expect_request("/token", method="POST").respond_with_handler(self._answer)
        self.auth = OAuth2(
            server.url_for("/authorize"),
            server.url_for("/token"),
            hint="set RUNTIME_SHOP_CLIENT_ID",
            client_id="app",
            client_secret="app-secret",
            scopes=("read", "write"),
            pkce=True,
        )

    def _answer(self, request: Request) -> Response:
        with self._lock:
            form = request.form.to_dict()
            self.forms.append(form)
            self.headers.append(dict(request.headers))
            status, body = self.failures.pop(0) if self.failures else self._tokens(form)
        return Response(json.dumps(body), status=status, content_type="application/json")

    def _tokens(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        number = next(self._numbers)
        answer: dict[str, Any] = {
            "access_token": f"access-{number}",
            "expires_in": int(self.lifetime.total_seconds()),
        }
        if form["grant_type"] == "client_credentials":
            return 200, answer
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self.live_refresh_tokens:
                return 400, {"error": "invalid_grant", "error_description": "it was used up"}
            if not self.rotates:
                return 200, answer
            self.live_refresh_tokens.discard(form["refresh_token"])
        answer["refresh_token"] = f"refresh-{number}"
        answer["refresh_token_expires_in"] = 90 * 86_400
        self.live_refresh_tokens.add(answer["refresh_token"])
        return 200, answer
