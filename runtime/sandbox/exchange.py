"""A request as it arrived, and the answer to it."""

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
        """The media type without its parameters, in lower case; empty if there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def query_pairs(self) -> list[tuple[str, str]]:
        """Return the decoded names and values of the query, in order."""
        # An empty value is a value: without the argument, parse_qsl would drop its name as well.
        return parse_qsl(self.query, keep_blank_values=True)

    def form_pairs(self) -> list[tuple[str, str]]:
        """Return the decoded names and values of a form body, in order.

        Raises:
            Unreadable: the body is no text.
        """
        try:
            return parse_qsl(self.body.decode(), keep_blank_values=True)
        except UnicodeDecodeError as error:
            raise Unreadable(f"the form is not UTF-8: {error}") from error

    def json(self) -> Any:
        """Return the value of a JSON body.

        Raises:
            Unreadable: the body is not JSON.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"the body is not JSON: {error}") from error

    def parts(self) -> list[Part]:
        """Return the parts of a multipart body.

        Raises:
            Unreadable: the body has no parts, or a part without a name.
        """
        # The parser of e-mails reads multipart bodies, if the content type stands before them.
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
    """The answer to a request.

    Attributes:
        body: a JSON value; None for an answer without a body.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """Return the body as it is sent."""
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the answer that the marketplace had for it.

    Attributes:
        operation: the operation's name in the marketplace's own document; None if it has none.
        answer: the answer that the client got, unless a fault kept it away.
    """

    request: Request
    operation: str | None
    answer: Answer
