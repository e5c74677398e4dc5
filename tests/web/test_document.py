"""The API's document: valid, complete, and true."""

import re
from typing import Any

import orjson
import pytest
from aiohttp import web
from openapi_spec_validator import OpenAPIV31SpecValidator

from hub.registry import load
from hub.services.hub import Hub
from hub.web.answers import dumps
from hub.web.api.table import endpoints_of
from hub.web.application import create_app
from hub.web.openapi import document_of
from tests.web.client import Client, resolve, validate

OPEN = {"/webhooks/{source}", "/livez", "/readyz", "/metrics", "/docs", "/v1/openapi.json"}
UNDOCUMENTED = {"/docs", "/v1/openapi.json"}


def routes_of(hub: Hub) -> list[tuple[str, str]]:
    """What the router really serves, but for the console, which is for people: tests/web/console."""
    routes = [
        (route.method, route.resource.canonical)
        for route in create_app(hub).router.routes()
        if isinstance(route, web.ResourceRoute) and route.resource and route.method != "HEAD"
    ]
    return [(method, path) for method, path in routes if path != "/" and not path.startswith("/console")]


def bodies(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every body that the document describes, of requests and answers."""
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            name = f"{method} {path}"
            if "requestBody" in operation:
                found += [(name, content) for content in operation["requestBody"]["content"].values()]
            for answer in operation["responses"].values():
                found += [
                    (name, content) for content in resolve(document, answer).get("content", {}).values()
                ]
    return found


async def test_the_document_is_valid_openapi_31(anyone: Client) -> None:
    """A validator of the specification finds nothing."""
    OpenAPIV31SpecValidator(anyone.document).validate()
    assert anyone.document["openapi"].startswith("3.1")


async def test_every_body_has_an_example_that_fits_its_schema(anyone: Client) -> None:
    """Examples are what people copy."""
    described = bodies(anyone.document)
    assert len(described) > 50
    for name, content in described:
        assert "example" in content, name
        validate(anyone.document, content["schema"], content["example"])


async def test_every_parameter_and_field_is_explained(anyone: Client) -> None:
    """Nobody has to guess what a name means."""
    for methods in anyone.document["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            assert all(parameter["description"] for parameter in operation["parameters"])
    for name in (
        "JobDetail",
        "EventDetail",
        "QueueView",
        "ProviderView",
        "StepView",
        "SearchedPage_JobView_",
    ):
        shape = anyone.document["components"]["schemas"][name]
        assert all(field.get("description") for field in shape["properties"].values()), name


async def test_every_route_is_documented(hub: Hub, anyone: Client) -> None:
    """What the router serves and what the document says are the same."""
    routed = {(method.lower(), path) for method, path in routes_of(hub) if path not in UNDOCUMENTED}
    documented = {(method, path) for path, methods in anyone.document["paths"].items() for method in methods}
    assert routed == documented


async def test_every_route_is_closed_without_a_key(hub: Hub, anyone: Client) -> None:
    """But for webhooks, health and documents; a new route is closed unless it says otherwise."""
    closed = [(method, path) for method, path in routes_of(hub) if path not in OPEN]
    assert len(closed) >= 13
    for method, path in closed:
        answer = await anyone.send(method, re.sub(r"\{\w+\}", "x", path))
        assert answer.status == 401, path
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_each_job_stands_with_its_own_arguments(anyone: Client) -> None:
    """A submission is told apart by the job's name, and its arguments are the job's."""
    schema = anyone.document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    assert schema["discriminator"]["propertyName"] == "job"
    ref = schema["discriminator"]["mapping"]["registry.send_receipt"]
    submission = resolve(anyone.document, {"$ref": ref})
    args = resolve(anyone.document, submission["properties"]["args"])
    assert set(args["properties"]) == {"to", "amount", "note"}
    assert submission["required"] == ["job", "args"]
    [example] = submission["examples"]
    validate(anyone.document, {"$ref": ref}, example)


async def test_the_page_for_people_loads_and_runs_nothing(anyone: Client) -> None:
    """One page, no script, nothing from elsewhere, under a policy that would forbid it."""
    answer = await anyone.get("/docs")
    page = answer.body.decode()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|url\(| style=""", page)


async def test_the_page_for_people_shows_every_operation_and_problem(anyone: Client) -> None:
    """Nothing is left out, every link within the page leads somewhere, and a problem's type leads to its text."""
    page = (await anyone.get("/docs")).body.decode()
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    for methods in anyone.document["paths"].values():
        for operation in methods.values():
            assert operation["operationId"] in ids
    problem = (await anyone.get("/v1/jobs")).json
    assert problem["type"].removeprefix("/docs#") in ids


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_told_which_ones_there_are(anyone: Client, method: str) -> None:
    """405 with Allow, as a problem document."""
    answer = await anyone.send(method, "/v1/jobs")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert answer.json["code"] == "method"


async def test_what_can_be_read_can_be_asked_for_its_head(anyone: Client) -> None:
    """As load balancers do."""
    answer = await anyone.send("HEAD", "/livez")
    assert (answer.status, answer.body) == (200, b"")


def test_the_document_of_the_jobs_that_come_with_the_hub_shows_each_with_an_example() -> None:
    """Their own arguments, made up from what their authors wrote, and fitting."""
    registry = load()
    document = orjson.loads(dumps(document_of(endpoints_of(registry), registry)))
    OpenAPIV31SpecValidator(document).validate()
    for name in registry.jobs:
        schema = document["components"]["schemas"][f"Submission.{name}"]
        assert schema["description"], name
        [example] = schema["examples"]
        validate(document, {"$ref": f"#/components/schemas/Submission.{name}"}, example)


async def test_an_address_that_is_not_there_is_a_problem_too(anyone: Client) -> None:
    """404 of the router itself."""
    answer = await anyone.get("/v1/nothing/here")
    assert (answer.status, answer.json["code"]) == (404, "not_found")
