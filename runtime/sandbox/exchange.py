"""A request as it arrived, and what it was answered."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any
from urllib.parse import parse_qsl


class Unreadable(Exception):
    """A body is not what its content type says; the message tells why."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body."""

    name: str
    content: bytes
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived.

    Attributes:
        path: percent-encoded, without the query.
        query: the part after the question mark, as it was sent.
        headers: by their names in lower case.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; empty where there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def query_pairs(self) -> list[tuple[str, str]]:
        """The query's names and values, decoded, in order."""
        return parse_qsl(self.query, keep_blank_values=True)

    def form_pairs(self) -> list[tuple[str, str]]:
        """The names and values of a form body, decoded, in order.

        Raises:
            Unreadable: it is not text.
        """
        try:
            return parse_qsl(self.body.decode(), keep_blank_values=True)
        except UnicodeDecodeError as error:
            raise Unreadable(f"the form is not UTF-8: {error}") from error

    def json(self) -> Any:
        """The JSON body.

        Raises:
            Unreadable: it is not JSON.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"the body is not JSON: {error}") from error

    def parts(self) -> list[Part]:
        """The parts of a multipart body.

        Raises:
            Unreadable: it has none, or one without a name.
        """
        head = f"Content-Type: {self.headers.get('content-type', '')}\r\n\r\n".encode()
        message = message_from_bytes(head + self.body, policy=policy.HTTP)
        if not message.is_multipart():
            raise Unreadable("the body is not multipart/form-data")
        parts = []
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            if not isinstance(name, str):
                raise Unreadable("a part of the body has no name")
            content = part.get_payload(decode=True)
            parts.append(
                Part(name, content if isinstance(content, bytes) else b"", part.get_filename())
            )
        return parts


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered.

    Attributes:
        body: a JSON value; None for no body at all.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """The body as it is sent."""
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the answer that the marketplace had for it.

    Attributes:
        operation: its name in the marketplace's own document; None where there is no such.
        answer: what a client got that no fault kept it from.
    """

    request: Request
    operation: str | None
    answer: Answer
