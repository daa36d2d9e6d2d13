"""The simulated marketplaces against the documents: names, addresses, scopes, error ids."""

import json
import re

import pytest

from plugins.ebay.sandbox import EbaySandbox
from plugins.ebay.sandbox import errors as ebay_errors
from plugins.etsy.sandbox import EtsySandbox
from runtime.sandbox import Route, Sandbox
from tests.support.marketplaces.openapi_validation import required_documents, specs_directory

UNDOCUMENTED = {"authorize", "token"}
APPLICATION_ONLY = "getRateLimits"


def described(marketplace: str) -> dict[str, tuple[str, str, frozenset[str]]]:
    """Method, address and scopes of each documented operation."""
    required_documents(marketplace)
    operations = {}
    for path in sorted((specs_directory() / marketplace).glob("*.json")):
        document = json.loads(path.read_bytes())
        if "openapi" not in document:
            continue
        server = document["servers"][0]
        base = server.get("variables", {}).get("basePath", {}).get("default", "")
        for template, methods in document["paths"].items():
            for method, spec in methods.items():
                if "operationId" not in spec:
                    continue  # what all methods of an address share
                scopes = {
                    scope
                    for one in spec.get("security", [])
                    for names in one.values()
                    for scope in names
                }
                operations[spec["operationId"]] = (
                    method.upper(), without_names(base + template), frozenset(scopes),
                )  # fmt: skip
    return operations


def without_names(template: str) -> str:
    return re.sub(r"\{\w+\}", "{}", template)


def documented_routes(sandbox: Sandbox) -> list[Route]:
    return [route for route in sandbox.routes if route.operation not in UNDOCUMENTED]


@pytest.mark.parametrize(("marketplace", "kind"), [("ebay", EbaySandbox), ("etsy", EtsySandbox)])
def test_operations_are_those_of_the_documents(marketplace: str, kind: type[Sandbox]) -> None:
    known = described(marketplace)
    for route in documented_routes(kind()):
        method, template, scopes = known[route.operation]
        assert (route.method, without_names(route.template)) == (method, template)
        if route.operation != APPLICATION_ONLY:
            assert route.scopes == scopes, route.operation


def test_error_ids_are_those_of_the_catalogue() -> None:
    required_documents("ebay")
    catalogue = json.loads((specs_directory() / "ebay/error_codes_by_operation.json").read_bytes())
    known: dict[str, str] = {}
    for operations in catalogue.values():
        for statuses in operations.values():
            for ids in statuses.values():
                known |= {error_id: one["category"] for error_id, one in ids.items()}
    for error_id in (*ebay_errors._INVENTORY, *ebay_errors._FULFILLMENT):
        assert ebay_errors.error(error_id)["category"] == known[f"{error_id}"], error_id
