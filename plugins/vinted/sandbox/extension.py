"""The browser plugin, which carries out each action on the wardrobe of the account in use."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from plugins.vinted.protocol import PROTOCOL
from plugins.vinted.sandbox.faults import BrowserFaults, CommandRejected
from plugins.vinted.sandbox.wardrobe import Wardrobe

Payload = dict[str, Any]
# Sellers update their browser plugins late, so handlers have to bear with the older ones.
_OLDER_PLUGINS_KNOW = {"VINTED_PUBLISH", "VINTED_UPDATE", "VINTED_DELETE", "VINTED_SYNC"}


class Extension:
    """The function behind ``window.stoflow.executeAction``.

    Attributes:
        faults: the faults that are switched on.
        executed: every (action, payload) that was asked for, in order.
        answers: every (action, data) of a good answer, in order.
        strayed: the writes that reached an account which is not the wardrobe's.
    """

    def __init__(self, wardrobe: Wardrobe, faults: BrowserFaults | None = None) -> None:
        self.wardrobe = wardrobe
        self.faults = faults or BrowserFaults()
        self.executed: list[tuple[str, Payload]] = []
        self.answers: list[tuple[str, Any]] = []
        self.strayed: list[tuple[str, Payload]] = []
        self._actions: dict[str, Callable[[Payload], Any]] = {
            "VINTED_PUBLISH": self._publish,
            "VINTED_UPDATE": self._update,
            "VINTED_DELETE": self._delete,
            "VINTED_SYNC": self._sync,
            "VINTED_GET_WARDROBE": self._wardrobe,
            "VINTED_ORDERS": self._orders,
            "VINTED_MESSAGE": self._message,
            "VINTED_API_CALL": self._api_call,
        }

    def execute(self, action: str, payload: Payload) -> dict[str, Any]:
        """Execute one command; return its response without the request_id."""
        self.executed.append((action, payload))
        try:
            data = self._carried_out(action, payload)
        except CommandRejected as rejected:
            return {
                "success": False,
                "error": str(rejected),
                "error_code": rejected.error_code,
                "status": rejected.status,
            }
        self.answers.append((action, data))
        return {"success": True, "data": data}

    def _carried_out(self, action: str, payload: Payload) -> Any:
        faults, concerned = self.faults, self.faults.concern(action)
        if concerned and faults.session_lost:
            raise CommandRejected(401, "session_expired", "log in to Vinted again")
        if concerned and faults.captcha:
            raise CommandRejected(403, "captcha", "Vinted asks for a captcha")
        if concerned and faults.rate_limited:
            raise CommandRejected(429, "rate_limited", "Vinted asks for less")
        unknown = faults.older_plugin and action not in _OLDER_PLUGINS_KNOW
        if action not in self._actions or unknown:
            raise CommandRejected(400, "unknown_action", f"no such action: {action}")
        try:
            # A payload is held against the schemas that docs/protocol.md shows: a handler that
            # sends anything else fails here first.
            PROTOCOL[action].is_payload(payload)
        except ValidationError as error:
            raise CommandRejected(422, "invalid", f"{action}: {error}") from error
        # Only writes bear a reference. The write succeeds in the wrong account, as it would in a
        # real browser, and tests then find it here.
        if faults.wrong_account is not None and "reference" in payload:
            self.strayed.append((action, payload))
            return {"item": {"id": 1}, "message": {"id": 1, "text": "?", "from_seller": True}}
        data = self._actions[action](payload)
        # These faults come after the action, so the wardrobe has changed and the answer does not
        # say so.
        if concerned and faults.fails_after_executing:
            faults.fails_after_executing -= 1
            raise CommandRejected(500, "server_error", "Vinted failed")
        if concerned and faults.wordless:
            faults.wordless -= 1
            raise CommandRejected(None, None, "Failed to fetch")
        return {} if concerned and faults.shapeless else data

    def _publish(self, payload: Payload) -> Any:
        details = _details(payload["product"]) | {"reference": payload["reference"]}
        return {"item": self._told(self.wardrobe.make(details))}

    def _update(self, payload: Payload) -> Any:
        item = self.wardrobe.change(payload["item_id"], _details(payload["product"]))
        return {"item": self._told(_there(item, "item"))}

    def _delete(self, payload: Payload) -> Any:
        _there(self.wardrobe.remove(payload["item_id"]), "item")
        return {}

    def _sync(self, payload: Payload) -> Any:
        page = payload["page"]
        # A newer browser plugin signs its page with the account that is logged in; an older one
        # refuses.
        if self.faults.wrong_account is not None and not self.faults.older_plugin:
            return self._signed({"items": []})
        logged_in = self.faults.wrong_account or self.wardrobe.shop_id
        if logged_in not in (None, payload["shop_id"]):
            raise CommandRejected(
                404, "not_found", f"no member {payload['shop_id']!r} is logged in here"
            )
        if self.faults.failing_pages[page] > 0:
            self.faults.failing_pages[page] -= 1
            raise CommandRejected(500, "server_error", f"Vinted failed on page {page}")
        if self.faults.older_plugin:
            return {"imported": len(self.wardrobe.items()), "updated": 0, "errors": 0}
        return self._signed(self.wardrobe.page(page, payload["per_page"]))

    def _wardrobe(self, payload: Payload) -> Any:
        return self._signed(self.wardrobe.page(payload["page"], payload["per_page"]))

    def _orders(self, payload: Payload) -> Any:
        return self._signed(self.wardrobe.orders_page(payload["page"], payload["per_page"]))

    def _message(self, payload: Payload) -> Any:
        said = {"text": payload["text"], "from_seller": True, "reference": payload["reference"]}
        message = self.wardrobe.say(payload["conversation_id"], said)
        return {"message": self._told(_there(message, "conversation"))}

    def _api_call(self, payload: Payload) -> Any:
        kind, _, identity = payload["endpoint"].strip("/").partition("/")
        if payload["method"] == "GET" and kind == "items":
            return {"item": self._told(_there(self.wardrobe.find(identity), "item"))}
        if payload["method"] == "GET" and kind == "conversations":
            found = _there(self.wardrobe.conversation(identity), "conversation")
            found["messages"] = [self._told(one) for one in found["messages"]]
            return {"conversation": found}
        # Handlers ask for these two endpoints only, so that a third would be a mistake of ours.
        raise CommandRejected(404, "not_found", f"no such endpoint: {payload['endpoint']}")

    def _signed(self, page: dict[str, Any]) -> dict[str, Any]:
        """Add the account that is logged in; another account's wardrobe is empty."""
        if self.faults.wrong_account is not None:
            nothing = {"current_page": 1, "total_pages": 0, "total_entries": 0}
            name = "items" if "items" in page else "orders"
            account = {"id": self.faults.wrong_account}
            return {"account": account, name: [], "pagination": nothing}
        if "items" in page:
            page["items"] = [self._told(one) for one in page["items"]]
        if self.wardrobe.shop_id is None:
            return page
        return {"account": {"id": self.wardrobe.shop_id}, **page}

    def _told(self, thing: Any) -> Any:
        if self.faults.forgetful and isinstance(thing, dict):
            thing.pop("reference", None)
        return thing


def _there(thing: Any, name: str) -> Any:
    if thing is None:
        raise CommandRejected(404, "not_found", f"there is no such {name}")
    return thing


def _details(product: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": product["title"],
        "description": product["description"],
        "price": {"amount": product["price"], "currency_code": product["currency"] or "EUR"},
        "brand": product["brand"],
        "photos": [{"url": url} for url in product["images"]],
    }
