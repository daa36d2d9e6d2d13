"""Checks requests and answers against the marketplaces' own OpenAPI documents.

The documents are no part of the project. They are looked for beside the checkout, in
``../shared/specs``, or where ``MARKETPLACE_SPECS`` says; without them nothing is checked, and
what is about nothing else is skipped.
"""

import functools
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from jsonschema import Draft202012Validator

from runtime.sandbox import Exchange, Request, Unreadable
from runtime.sandbox.routes import matched
from tests.support.checkout import CHECKOUT

# Pages of bridges that are gone keep knocking at their ports, which others may have by now.
KNOCK = "/socket.io/"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

# Consent and tokens stand in none of the documents.
UNDOCUMENTED = {
    "/oauth2/authorize",
    "/identity/v1/oauth2/token",
    "/oauth/connect",
    "/v3/public/oauth/token",
}

Schema = dict[str, Any]


def specs_directory() -> Path:
    """Where the documents are, if they are."""
    given = os.environ.get("MARKETPLACE_SPECS")
    return Path(given) if given else CHECKOUT.parent / "shared" / "specs"


@functools.cache
def documents(marketplace: str) -> "Documents | None":
    """The documents of a marketplace; None where there are none."""
    directory = specs_directory() / marketplace
    contents = [json.loads(path.read_bytes()) for path in sorted(directory.glob("*.json"))]
    found = [Document(content) for content in contents if "openapi" in content]
    return Documents(found) if found else None


def required_documents(marketplace: str) -> "Documents":
    """The documents of a marketplace; the test is skipped where there are none."""
    found = documents(marketplace)
    if found is None:
        pytest.skip(f"no OpenAPI documents of {marketplace} in {specs_directory()}")
    return found


def assert_conforms(
    marketplace: str, exchanges: Iterable[Exchange], *, refused_too: bool = True
) -> None:
    """Check all requests, and the answers that are no errors.

    Args:
        refused_too: also the requests that the marketplace refused (400 to 499).
    """
    found = documents(marketplace)
    if found is None:
        return
    problems = []
    for exchange in exchanges:
        if refused_too or not 400 <= exchange.answer.status < 500:
            problems += found.problems(exchange)
    assert not problems, "\n".join(problems)


@dataclass(frozen=True)
class Operation:
    """One operation of a document."""

    document: "Document"
    spec: Mapping[str, Any]
    path: Mapping[str, str]

    def request_problems(self, request: Request) -> list[str]:
        """Return the flaws of a request."""
        return [
            *self._parameter_problems(request),
            *self._security_problems(request),
            *self._body_problems(request),
        ]

    def answer_problems(self, status: int, body: Any) -> list[str]:
        """Return the flaws of an answer."""
        responses = self.spec["responses"]
        if f"{status}" not in responses:
            return [f"answer {status} is not documented"]
        content = responses[f"{status}"].get("content")
        if status == 207 and not content:
            # Only the answer without a failed row is described.
            content = responses["200"]["content"]
        if not content:
            return [] if body is None else [f"answer {status} has a body"]
        if body is None and status != 200:
            return []
        schema = content["application/json"]["schema"]
        return [f"answer: {one}" for one in self.document.violations(schema, body)]

    def _parameter_problems(self, request: Request) -> Iterable[str]:
        parameters = {(one["in"], one["name"]): one for one in self.spec.get("parameters", [])}
        given: dict[tuple[str, str], str] = {("path", k): v for k, v in self.path.items()}
        for name, value in request.query_pairs():
            if ("query", name) not in parameters:
                yield f"query: {name} is not documented"
            elif ("query", name) in given:
                yield f"query: {name} comes twice"
            given["query", name] = value
        for (place, name), parameter in parameters.items():
            header = request.headers.get(name.lower()) if place == "header" else None
            text = given.get((place, name), header)
            if text is None:
                if parameter.get("required"):
                    yield f"{place}: {name} is missing"
            else:
                yield from self._value_problems(f"{place}: {name}", parameter["schema"], text)

    def _security_problems(self, request: Request) -> Iterable[str]:
        schemes = self.document.security_schemes
        keyed = [one["name"] for one in schemes.values() if one["type"] == "apiKey"]
        for name in keyed:
            if not all(request.headers.get(name, "").partition(":")):
                yield f"header: {name} must be keystring:shared_secret"
        wants_token = any(
            schemes[name]["type"] == "oauth2"
            for one in self.spec.get("security") or []
            for name in one
        )
        if wants_token and not request.headers.get("authorization", "").startswith("Bearer "):
            yield "header: Authorization must be a Bearer token"

    def _body_problems(self, request: Request) -> Iterable[str]:
        described = self.spec.get("requestBody")
        if not described:
            return ["a body is not documented"] if request.body else []
        content = described["content"]
        if request.content_type not in content:
            return [f"content type {request.content_type!r} is none of {sorted(content)}"]
        schema = content[request.content_type]["schema"]
        try:
            if request.content_type == FORM:
                pairs: list[tuple[str, Any]] = list(request.form_pairs())
            elif request.content_type == MULTIPART:
                pairs = [
                    (one.name, one.content.decode(errors="replace")) for one in request.parts()
                ]
            else:
                body = request.json()
                return [f"body: {one}" for one in self.document.violations(schema, body)]
        except Unreadable as error:
            return [str(error)]
        return self._field_problems(self.document.resolved(schema), pairs)

    def _field_problems(self, schema: Schema, pairs: list[tuple[str, str]]) -> Iterable[str]:
        """Return the flaws of a form; its values are text, and its arrays are joined by commas."""
        names = [name for name, _ in pairs]
        for name in schema.get("required", []):
            if name not in names:
                yield f"form: {name} is missing"
        for position, (name, value) in enumerate(pairs):
            if name not in schema["properties"]:
                yield f"form: {name} is not documented"
            elif name in names[:position]:
                yield f"form: {name} comes twice; an array is one value with commas"
            else:
                yield from self._value_problems(f"form: {name}", schema["properties"][name], value)

    def _value_problems(self, what: str, schema: Schema, text: str) -> Iterable[str]:
        value = _read(self.document.resolved(schema), text)
        return [f"{what}: {one}" for one in self.document.violations(schema, value)]


class Document:
    """One OpenAPI 3.0 document.

    Attributes:
        base: what its paths start below.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        server = content["servers"][0]
        # eBay holds the base path in a variable of the server's address.
        self.base: str = server.get("variables", {}).get("basePath", {}).get("default", "")
        self.security_schemes: Mapping[str, Any] = content["components"]["securitySchemes"]
        self._paths = content["paths"]
        self._schemas = content["components"]["schemas"]
        self._closed = {name: closed(schema) for name, schema in self._schemas.items()}

    def find(self, request: Request) -> Operation | None:
        """The operation that a request means; the one with the fewest variables wins."""
        found: list[tuple[int, Operation]] = []
        for template, methods in self._paths.items():
            path = matched(self.base + template, request.path)
            if path is not None and request.method.lower() in methods:
                spec = methods[request.method.lower()]
                found.append((len(path), Operation(self, spec, path)))
        return min(found, key=lambda one: one[0])[1] if found else None

    def resolved(self, schema: Schema) -> Schema:
        """The schema that a reference means."""
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def violations(self, schema: Schema, value: Any) -> list[str]:
        """How a value differs from a schema; an unknown field is a difference."""
        root = {**closed(schema), "components": {"schemas": self._closed}}
        return [
            f"{error.json_path}: {error.message[:300]}"
            for error in Draft202012Validator(root).iter_errors(value)
        ]


class Documents:
    """All documents of a marketplace."""

    def __init__(self, found: list[Document]) -> None:
        self._documents = found

    @classmethod
    def of(cls, *contents: Mapping[str, Any]) -> Self:
        """Those with these contents."""
        return cls([Document(content) for content in contents])

    def problems(self, exchange: Exchange) -> list[str]:
        """Return the flaws of a request, and those of its answer unless that is an error."""
        request, answer = exchange.request, exchange.answer
        if request.path in UNDOCUMENTED or request.path == KNOCK:
            return []
        where = f"{request.method} {request.path}"
        found = [one for document in self._documents if (one := document.find(request))]
        if not found:
            return [f"{where}: no such operation is documented"]
        problems = found[0].request_problems(request)
        if answer.status < 400:
            problems += found[0].answer_problems(answer.status, answer.body)
        return [f"{where}: {problem}" for problem in problems]


def closed(schema: Schema) -> Schema:
    """An OpenAPI 3.0 schema as a JSON Schema, in which unknown fields are wrong."""
    result = {name: value for name, value in schema.items() if name not in _REMARKS}
    if "items" in result:
        result["items"] = closed(result["items"])
    if "oneOf" in result:
        result["oneOf"] = [closed(one) for one in result["oneOf"]]
    if "properties" in result:
        result["properties"] = {name: closed(one) for name, one in result["properties"].items()}
        aspects = result["properties"].get("aspects")
        if aspects and aspects.get("type") == "string":
            # The document's own description, and the API, want an object of arrays.
            result["properties"]["aspects"] = _ASPECTS
        result.setdefault("additionalProperties", False)
    if schema.get("nullable"):
        return {"anyOf": [result, {"type": "null"}]}
    return result


def _read(schema: Schema, text: str) -> Any:
    """Return the value of that schema which a text means, or the text if it means none."""
    kind = schema.get("type")
    if schema.get("nullable") and text == "":
        return None
    if kind == "array":
        return [_read(schema["items"], one) for one in text.split(",")] if text else []
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
    except ValueError:
        return text
    if kind == "boolean":
        return {"true": True, "false": False, "1": True, "0": False}.get(text, text)
    return text


_ASPECTS: Schema = {
    "type": "object",
    "additionalProperties": {"type": "array", "items": {"type": "string"}},
}
_REMARKS = {"nullable", "description", "format", "default", "example", "xml"}
