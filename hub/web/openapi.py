"""The API's document, OpenAPI 3.1: made of the table of endpoints and of the types that validate and answer.

https://spec.openapis.org/oas/v3.1.1.html
"""

import dataclasses
import re
from collections.abc import Iterable
from typing import Any

import orjson
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from hub import __version__
from hub.domain.specs import JobSpec
from hub.registry import Registry
from hub.services import (
    alert_views,
    event_views,
    finding,
    fleet_views,
    job_views,
    listings,
    saved_views,
    statistics_views,
    suggest,
)
from hub.web.answers import dumps
from hub.web.api import examples
from hub.web.api.submissions import Submission, example_of, schema_of_paths
from hub.web.endpoints import Endpoint, Outcome, Shape
from hub.web.problems import KINDS, ProblemDocument
from hub.web.schemas import JobSubmission

# Where the shapes of answers stand.
_VIEWS = (
    alert_views,
    event_views,
    finding,
    fleet_views,
    job_views,
    listings,
    saved_views,
    statistics_views,
    suggest,
)
_REF = "#/components/schemas/"
_PLACE = re.compile(r"\{(\w+)\}")
_PLACES = {
    "id": ("its id", {"type": "string", "format": "uuid"}, str(examples.JOB)),
    "name": ("the queue's name", {"type": "string"}, "payments"),
    "number": ("the edit's number", {"type": "integer", "minimum": 1}, 1),
    "provider": ("the provider's name", {"type": "string"}, "stripe"),
    "source": ("the source's name", {"type": "string"}, "stripe"),
    "signature": (
        "the signature of a cause, as errors and groups have it",
        {"type": "string"},
        "9f2b6c1d04e7a853",
    ),
}
_INTRODUCTION = """\
Enqueue jobs, watch them, and act on them; receive webhooks.

**Keys.** Send `Authorization: Bearer hub_…`. A key has scopes; each call says which one it takes.

**Promises.** A 2xx means that the event or job is committed. A request that failed with 503, or without an answer, may be \
sent again: with an `Idempotency-Key` it never makes a second job.

**Errors** are problem documents (RFC 9457): `code` is for programs, `detail` for people, `errors` points at each thing \
that is wrong. Nothing was changed by a request that was refused.

**Correlation.** Send `X-Request-Id` (or `traceparent`), and it comes back in every answer, job and log line that follows."""


def document_of(endpoints: Iterable[Endpoint], registry: Registry) -> dict[str, Any]:
    """The whole document."""
    table = tuple(endpoints)
    schemas = _Schemas(table, registry)
    paths: dict[str, Any] = {}
    for endpoint in table:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hub", "version": __version__, "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(endpoint.tag for endpoint in table)],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "responses": {f"Problem{kind.status}": _problem(kind.status, kind.meaning) for kind in KINDS if kind.status in examples.PROBLEM_STATUSES},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key: `hub_<id>_<secret>`."}
            },
        },
    }  # fmt: skip


class _Schemas:
    """The schemas of all that is sent and answered, by their Python types."""

    def __init__(self, endpoints: tuple[Endpoint, ...], registry: Registry) -> None:
        self._specs = tuple(registry.jobs.values())
        inputs: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = [
            (JobSubmission, "validation", TypeAdapter(JobSubmission)),
            (ProblemDocument, "serialization", TypeAdapter(ProblemDocument)),
        ]
        inputs += [(spec.args, "validation", TypeAdapter(spec.args)) for spec in self._specs]
        for endpoint in endpoints:
            shapes = [(outcome.shape, "serialization") for outcome in endpoint.outcomes]
            for shape, mode in [*shapes, (endpoint.body, "validation")]:
                if shape is not None and shape.model not in {None, Submission, Any}:
                    inputs.append((shape.model, mode, TypeAdapter(shape.model)))  # type: ignore[arg-type]  # a literal
        unique = {(key, mode): adapter for key, mode, adapter in inputs}
        keyed = [(key, mode, adapter) for (key, mode), adapter in unique.items()]
        self._found, rest = TypeAdapter.json_schemas(keyed, ref_template=_REF + "{model}")
        self.definitions: dict[str, Any] = dict(rest.get("$defs", {}))
        _describe(self.definitions)
        self.definitions |= {f"Submission.{spec.name}": self._submission(spec) for spec in self._specs}

    def of(self, shape: Shape, mode: JsonSchemaMode) -> dict[str, Any]:
        """A shape's schema."""
        if shape.model is Submission:
            names = {spec.name: f"{_REF}Submission.{spec.name}" for spec in self._specs}
            refs = [{"$ref": ref} for ref in names.values()]
            return {"oneOf": refs, "discriminator": {"propertyName": "job", "mapping": names}}
        if shape.model is None:
            return {"type": "string"}
        if shape.model is Any:
            return {}
        found: dict[str, Any] = self._found[shape.model, mode]
        return found

    def _submission(self, spec: JobSpec) -> dict[str, Any]:
        """What submits one job: the common fields, with its own name and arguments."""
        common = self.definitions["JobSubmission"]
        args = schema_of_paths(spec.args, _REF + "{model}") or self._found[spec.args, "validation"]
        needed = ["job", "args"] if spec.args.model_json_schema().get("required") else ["job"]
        made = {
            **common,
            "title": spec.name,
            "description": spec.summary or spec.name,
            "properties": {
                **common["properties"],
                "job": {"const": spec.name, "type": "string"},
                "args": args,
            },
            "required": needed,
        }
        example = example_of(spec)
        return {**made, "examples": [example]} if example else made


def _operation(endpoint: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    description = endpoint.description
    operation: dict[str, Any] = {
        "operationId": endpoint.id,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": description + (f"\n\nScope: `{endpoint.scope}`." if endpoint.scope else ""),
        "security": [{"key": []}] if endpoint.scope else [],
        "parameters": [
            *_path_parameters(endpoint),
            *_query_parameters(endpoint),
            *_header_parameters(endpoint),
        ],
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.body is not None:
        content = _content(endpoint.body, schemas, "validation")
        operation["requestBody"] = {"required": not endpoint.body.optional, "content": content}
    return operation


def _responses(endpoint: Endpoint, schemas: _Schemas) -> dict[str, Any]:
    problems = {
        str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in endpoint.statuses
    }
    good = {str(outcome.status): _good(outcome, schemas) for outcome in endpoint.outcomes}
    return dict(sorted((problems | good).items()))


def _good(outcome: Outcome, schemas: _Schemas) -> dict[str, Any]:
    made: dict[str, Any] = {
        "description": outcome.description,
        "headers": {
            "X-Request-Id": _header("the correlation id"),
            **{n: _header(t) for n, t in outcome.headers.items()},
        },
    }
    if outcome.shape is not None:
        made["content"] = _content(outcome.shape, schemas, "serialization")
    return made


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _content(shape: Shape, schemas: _Schemas, mode: JsonSchemaMode) -> dict[str, Any]:
    example = orjson.loads(dumps(shape.example))
    return {shape.media_type: {"schema": schemas.of(shape, mode), "example": example}}


def _problem(status: int, meaning: str) -> dict[str, Any]:
    headers = {"X-Request-Id": _header("the correlation id")}
    if status in {429, 503}:
        headers["Retry-After"] = _header("when to come back, in seconds")
    if status == 401:
        headers["WWW-Authenticate"] = _header("how to authenticate; not for webhooks")
    content = {"schema": {"$ref": f"{_REF}ProblemDocument"}, "example": examples.problem(status)}
    return {"description": meaning, "headers": headers, "content": {"application/problem+json": content}}


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PLACES[name][0],
            "schema": _PLACES[name][1],
            "example": _PLACES[name][2],
        }
        for name in _PLACE.findall(endpoint.path)
    ]


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    schema = TypeAdapter(endpoint.query).json_schema(ref_template=_REF + "{model}")
    return [_query_parameter(name, field) for name, field in schema.get("properties", {}).items()]


def _query_parameter(name: str, field: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in field.items() if key not in {"title", "description", "examples"}}
    if "anyOf" in shown:
        # A parameter cannot be null: it is left out.
        [kind] = [option for option in shown.pop("anyOf") if option.get("type") != "null"]
        shown = {**shown, **kind}
        shown.pop("default", None)
    made = {"name": name, "in": "query", "description": field.get("description", ""), "schema": shown}
    if shown.get("type") == "array":
        made |= {"style": "form", "explode": False}
    if "examples" in field:
        made["example"] = field["examples"][0]
    return made


def _header_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    return [
        {"name": name, "in": "header", "description": text, "schema": schema, "example": "receipt-1042"}
        for name, text in endpoint.headers.items()
    ]


_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.+)$", re.MULTILINE)


def _describe(definitions: dict[str, Any]) -> None:
    """Take the descriptions of answers from where they stand: the docstrings of their classes."""
    for kind in (kind for module in _VIEWS for kind in vars(module).values()):
        if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            continue
        said = {name: text for base in kind.__mro__[::-1] for name, text in _said(base).items()}
        for name, definition in definitions.items():
            if name == kind.__name__ or name.startswith(f"{kind.__name__}_"):
                definition["description"] = (kind.__doc__ or "").partition("\n")[0]
                for field, schema in definition.get("properties", {}).items():
                    schema["description"] = said.get(field, "")


def _said(kind: type) -> dict[str, str]:
    return dict(
        _ATTRIBUTE.findall((kind.__doc__ or "").partition("Attributes:")[2].replace("\n        ", "\n    "))
    )
